// What the page says while Kafka does not let it in, cannot be reached or does not allow a topic, and that it goes on by itself. The
// sentences are the program's own (crates/client/src/error.rs); what they are for is played by a server that says them.
import { expect, test, type Page } from '@playwright/test';
import type { KafkaState, Problem } from '../src/lib/api';
import { artefacts, overview, scrollsSideways, topicOf } from './page';

/** The overview as the server tells it, with another state of its Kafka, until `mend` is called. */
async function kafkaIs(page: Page, kafka: KafkaState): Promise<{ mend: () => Promise<void> }> {
  const real = await overview(page.request);
  await page.addInitScript((told) => {
    const Real = window.EventSource;
    const own = (url: string): EventSource => {
      const source = { readyState: 0, onopen: null, onerror: null, onmessage: null, close: () => {} } as unknown as EventSource;
      addEventListener('mended', () => source.onmessage?.({ data: JSON.stringify({ ...told, kafka: { state: 'connected' } }), lastEventId: '' } as MessageEvent));
      setTimeout(() => {
        source.onopen?.(new Event('open'));
        source.onmessage?.({ data: JSON.stringify(told), lastEventId: url } as MessageEvent);
      });
      return source;
    };
    window.EventSource = function (url: string, init?: EventSourceInit) {
      return url.endsWith('/overview') ? own(url) : new Real(url, init);
    } as unknown as typeof EventSource;
  }, { ...real, kafka });
  return { mend: () => page.evaluate(() => void dispatchEvent(new Event('mended'))) };
}

for (const [name, why, names] of [
  [
    'an address where nobody listens',
    'no Kafka at kafka:9092: nobody listens at kafka:9092; start one with `weir serve` or `weir broker`, or name another with --bootstrap HOST:PORT',
    ['nobody listens', '--bootstrap'],
  ],
  [
    'a wrong password',
    'the broker refused the login: kafka:9092: SASL authentication error: Authentication failed; check -X sasl.mechanism, sasl.username and sasl.password',
    ['refused the login', 'sasl.password'],
  ],
  [
    'a certificate that nobody knows',
    'TLS failed: kafka:9092: SSL handshake failed: certificate verify failed; check -X security.protocol and ssl.ca.location',
    ['certificate', 'ssl.ca.location'],
  ],
] as const) {
  test(`${name} is said on every page with the setting's name, until it is mended`, async ({ page }) => {
    const { mend } = await kafkaIs(page, { state: 'disconnected', since_ms: Date.now() - 5000, why });
    for (const path of ['/', '/cluster', '/library']) {
      await page.goto(path);
      const banner = page.locator('.banner');
      await expect(banner).toContainText('Not connected to Kafka at');
      for (const part of names) await expect(banner).toContainText(part);
    }
    await page.goto('/');
    await expect(page.locator('.banner')).toBeVisible();
    await page.setViewportSize({ width: 360, height: 800 });
    expect(await scrollsSideways(page)).toBe(false);
    await page.screenshot({ path: `${artefacts}/away-${names[1].replace(/\W+/g, '')}.png` });
    await mend();
    await expect(page.locator('.banner')).toHaveCount(0);
  });
}

const denied: Problem = {
  type: 'about:blank',
  title: 'Forbidden',
  status: 403,
  detail: 'not allowed to read topic "text"',
  remedy: 'an administrator grants it with kafka-acls',
};

test('records that may not be read are a sentence with the remedy, and come by themselves once they may', async ({ page, request }) => {
  const text = await topicOf(request, 'text');
  let allowed = false;
  await page.route(`**/topics/${text}/records?*`, (route) =>
    allowed ? route.continue() : route.fulfill({ status: 403, contentType: 'application/problem+json', body: JSON.stringify(denied) }),
  );
  await page.goto(`/t/${text}?tab=records&from=start`);
  const problem = page.getByRole('alert');
  await expect(problem).toContainText('not allowed to read topic');
  await expect(problem).toContainText('kafka-acls');
  allowed = true;
  await expect(page.locator('.record').first()).toBeVisible();
  await expect(problem).toHaveCount(0);
});

test('a topic that may not even be seen is not called one that is not there', async ({ page }) => {
  await page.route('**/topics/secret', (route) =>
    route.fulfill({ status: 403, contentType: 'application/problem+json', body: JSON.stringify({ ...denied, detail: 'not allowed to look up topic "secret"' }) }),
  );
  await page.goto('/t/secret');
  await expect(page.getByRole('alert')).toContainText('not allowed to look up topic "secret"');
  await expect(page.getByText('There is no topic named')).toHaveCount(0);
});
