// The cluster's page in a real browser: the embedded broker as it is, and a cluster of three while it elects.
import { expect, test, type Page } from '@playwright/test';
import type { Cluster } from '../src/lib/api';
import { artefacts, makeTopic, scrollsSideways, topicOf } from './page';

test('the embedded broker is one that answers, leads everything and says what that means', async ({ page, request }) => {
  const topic = await topicOf(request, 'video');
  await page.goto('/');
  await page.getByRole('link', { name: 'Cluster' }).click();
  await expect(page).toHaveURL(/\/cluster$/);
  await expect(page).toHaveTitle('Cluster · weir');
  await expect(page.getByRole('status').filter({ hasText: 'led and in sync' })).toBeVisible();
  const broker = page.locator('[data-broker]');
  await expect(broker).toHaveCount(1);
  await expect(broker).toContainText('Answers');
  await expect(broker).toContainText('Controller');
  await expect(page.getByText('while it is away nobody takes over')).toBeVisible();
  const row = page.locator(`[data-topic="${topic}"]`);
  await expect(row.locator('.replica')).toHaveAttribute('data-role', 'leads');
  await expect(row.getByText('Partition 0: broker 0 leads')).toBeAttached();
  const answer = (await (await request.get('/cluster', { headers: { accept: 'application/json' } })).json()) as Cluster;
  await expect(broker).toContainText(`leads ${answer.brokers[0]!.leads}`);
  await expect(broker).toContainText(answer.brokers[0]!.address!);
});

test('a topic made elsewhere shows up by itself', async ({ page, request }) => {
  await page.goto('/cluster');
  await expect(page.locator('[data-broker]')).toBeVisible();
  const made = await makeTopic(request, 'cluster', '--partitions', '3');
  await expect(page.locator(`[data-topic="${made}"] .replica`)).toHaveCount(3);
});

/** Three brokers of which the second is away, as the server tells it. */
const electing: Cluster = {
  server_time_ms: Date.UTC(2026, 0, 31, 12, 3, 25),
  cluster_id: 'three',
  embedded: false,
  kafka: { state: 'connected' },
  controller: 1,
  brokers: [
    { id: 1, address: 'kafka-1:9092', state: 'up', since_ms: null, leads: 2, replicas: 5, in_sync: 5 },
    { id: 2, address: 'kafka-2:9092', state: 'gone', since_ms: Date.UTC(2026, 0, 31, 12, 3, 11), leads: 0, replicas: 5, in_sync: 0 },
    { id: 3, address: 'kafka-3:9092', state: 'up', since_ms: null, leads: 2, replicas: 5, in_sync: 5 },
  ],
  topics: [
    {
      topic: 'orders',
      internal: false,
      min_in_sync: 1,
      partitions: [{ partition: 0, leader: -1, replicas: [2], in_sync: [2], state: 'leaderless' }],
    },
    {
      topic: 'video',
      internal: false,
      min_in_sync: 3,
      partitions: [
        { partition: 0, leader: 3, replicas: [2, 3, 1], in_sync: [3, 1], state: 'too_few_in_sync' },
        { partition: 1, leader: 1, replicas: [1, 2, 3], in_sync: [1, 3], state: 'too_few_in_sync' },
      ],
    },
    {
      topic: 'words',
      internal: false,
      min_in_sync: 2,
      partitions: [{ partition: 0, leader: 3, replicas: [3, 1], in_sync: [3, 1], state: 'fine' }],
    },
  ],
  partitions: { all: 4, leaderless: 1, too_few_in_sync: 2, under_replicated: 2 },
  left_out: 0,
  events: [
    {
      at_ms: Date.UTC(2026, 0, 31, 12, 3, 20),
      what: { kind: 'leader', from: 2, to: 3, topic: 'video', partition: 0, partitions: 1 },
      text: 'video/0: leader 2 → 3',
    },
    { at_ms: Date.UTC(2026, 0, 31, 12, 3, 20), what: { kind: 'broker_gone', broker: 2 }, text: 'broker 2 is gone' },
    {
      at_ms: Date.UTC(2026, 0, 31, 12, 3, 11),
      what: { kind: 'broker_silent', broker: 2 },
      text: 'broker 2 does not answer (nobody listens at kafka-2:9092); Kafka counts on it until its session ends',
    },
  ],
};

/** The page in front of a server that tells this. */
async function open(page: Page, cluster: Cluster): Promise<void> {
  await page.route('**/cluster', (route) =>
    route.request().resourceType() === 'eventsource'
      ? route.fulfill({ contentType: 'text/event-stream', body: `retry: 3600000\ndata: ${JSON.stringify(cluster)}\n\n` })
      : route.fallback(),
  );
  await page.goto('/cluster');
  await expect(page.locator('[data-broker]')).toHaveCount(cluster.brokers.length);
}

test('a broker that is away, a partition without a leader and too few in sync are said and shown in more than colour', async ({ page }) => {
  await open(page, electing);
  for (const text of ['1 partition has no leader', '2 partitions have fewer replicas in sync than min.insync.replicas', '1 broker is away']) {
    await expect(page.getByText(text)).toBeVisible();
  }
  await expect(page.locator('[data-broker="2"]')).toContainText('Gone since');
  await expect(page.locator('[data-broker="1"]')).toContainText('Controller');
  const first = page.locator('[data-topic="video"] ol li').first().locator('.replica');
  expect(await first.evaluateAll((all) => all.map((one) => one.getAttribute('data-role')))).toEqual(['out of sync', 'leads', 'in sync']);
  const look = (at: number): Promise<string> => first.nth(at).evaluate((one) => {
    const { borderTopStyle, backgroundColor, textDecorationLine } = getComputedStyle(one);
    return `${borderTopStyle} ${textDecorationLine} ${backgroundColor === 'rgba(0, 0, 0, 0)' ? 'empty' : 'filled'}`;
  });
  expect([await look(0), await look(1), await look(2)]).toEqual(['dashed line-through empty', 'solid none filled', 'solid none empty']);
  await expect(page.getByRole('log').locator('li').first()).toContainText('video/0: leader 2 → 3');
});

test('a partition whose leader does not answer says so while Kafka still counts on it', async ({ page }) => {
  const silent: Cluster = {
    ...electing,
    brokers: electing.brokers.map((broker) => (broker.id === 3 ? { ...broker, state: 'silent', since_ms: Date.UTC(2026, 0, 31, 12, 3, 24) } : broker)),
    topics: electing.topics.slice(2),
    partitions: { all: 1, leaderless: 0, too_few_in_sync: 0, under_replicated: 0 },
  };
  await open(page, silent);
  await expect(page.getByText('2 partitions are led by a broker that does not answer')).toBeVisible();
  await expect(page.locator('[data-broker="3"]')).toContainText('Does not answer since');
  await expect(page.locator('[data-topic="words"]')).toContainText('its leader does not answer');
});

test('fifty brokers and two thousand partitions stay usable', async ({ page }) => {
  const ids = Array.from({ length: 50 }, (_, i) => i + 1);
  await open(page, {
    ...electing,
    brokers: ids.map((id) => ({ id, address: `kafka-${id}:9092`, state: 'up', since_ms: null, leads: 40, replicas: 120, in_sync: 120 })),
    topics: Array.from({ length: 200 }, (_, t) => ({
      topic: `topic-${t}`,
      internal: false,
      min_in_sync: 2,
      partitions: Array.from({ length: 10 }, (_, p) => {
        const replicas = [0, 1, 2].map((n) => ((t + p + n) % 50) + 1);
        return { partition: p, leader: replicas[0]!, replicas, in_sync: replicas, state: 'fine' as const };
      }),
    })),
    partitions: { all: 12_000, leaderless: 0, too_few_in_sync: 0, under_replicated: 0 },
    left_out: 10_000,
  });
  await expect(page.locator('[data-topic="topic-199"] .replica')).toHaveCount(30);
  await expect(page.getByText('more partitions are not listed here')).toBeAttached();
  expect(await scrollsSideways(page)).toBe(false);
});

for (const [name, width, colorScheme] of [
  ['phone', 360, 'light'],
  ['phone', 360, 'dark'],
  ['desk', 1280, 'light'],
  ['desk', 1280, 'dark'],
] as const) {
  test(`it fits a ${name}, ${colorScheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    await page.goto('/cluster');
    await expect(page.locator('[data-topic]').first()).toBeVisible();
    expect(await scrollsSideways(page)).toBe(false);
    await page.screenshot({ path: `${artefacts}/cluster-one-${name}-${colorScheme}.png`, fullPage: true });
    await open(page, electing);
    expect(await scrollsSideways(page)).toBe(false);
    await page.screenshot({ path: `${artefacts}/cluster-electing-${name}-${colorScheme}.png`, fullPage: true });
  });
}
