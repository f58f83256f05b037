// The five plots in a real browser: each shows what it says, its values those of the data, its colours those of its legend.
import { expect, test, type APIRequestContext, type Page } from '@playwright/test';
import type { SeriesAnswer, SeriesColumns } from '../src/lib/api';
import { artefacts, columnsOf, makeTopic, overview, publish, scrollsSideways } from './page';

const iso = (ms: number): string => new Date(ms).toISOString();

async function series(request: APIRequestContext, topic: string, query: string): Promise<SeriesColumns[]> {
  const answer = await request.get(`/topics/${topic}/series?${query}`);
  expect(answer.ok(), await answer.text()).toBe(true);
  return ((await answer.json()) as SeriesAnswer).series;
}

/** The exact value that stands behind a rounded one: in its title, in front of its time. */
async function exact(page: Page, name: string): Promise<number> {
  const value = page.locator('dl > div').filter({ has: page.locator('dt', { hasText: new RegExp(`^\\s*${name}\\s*$`) }) }).locator('dd');
  await expect(value).not.toHaveText('–');
  return Number.parseFloat((await value.getAttribute('title'))!);
}

/** How many columns of a chart have something of a colour. */
const inked = async (page: Page, token: string, chart?: string): Promise<number> => (await columnsOf(page, token, chart)).filter((c) => c !== null).length;

/** Some numbers that wander, as a sensor's do, of the last so many seconds. */
const wandering = (now: number, seconds: number, every_ms: number): { t: number; v: number }[] =>
  Array.from({ length: (seconds * 1000) / every_ms }, (_, i) => ({ t: now - seconds * 1000 + i * every_ms, v: 50 + 30 * Math.sin(i / 17) + 10 * Math.sin(i * 1.3) }));

test('the home page leads to the plots, and each to what feeds it and to the others', async ({ page }) => {
  await page.goto('/');
  await page.getByRole('link', { name: 'Plots' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Five plots of live numbers');
  for (const n of [1, 2, 3, 4, 5]) {
    await page.goto('/plots');
    await page.getByRole('listitem').nth(n - 1).getByRole('link').click();
    await expect(page).toHaveURL(`/plots/${n}`);
    await expect(page.getByRole('heading', { level: 1 })).toContainText(`${n} · `);
    await expect(page.locator('pre').filter({ hasText: /^weir .*publish sensor/ })).toBeVisible();
    await expect(page.locator('pre').filter({ hasText: /pd\.read_csv\("http:\/\/.*\/series\?window=1m.*format=csv"\)/ })).toBeVisible();
    await expect(page.getByRole('navigation', { name: 'Plots' }).getByRole('link')).toHaveCount(5);
  }
  await page.goto('/plots/6');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('There is no page here');
});

test('plot 1: a line on the axis of its known range; what a notebook reads is what is shown', async ({ page, request }) => {
  const topic = await makeTopic(request, 'known');
  const now = Date.now();
  const values = wandering(now, 50, 200);
  await publish(request, topic, values.map((value) => ({ key: 'a', value })));
  await page.goto(`/plots/1?topic=${topic}&range=0..200&from=${iso(now - 60_000)}&to=${iso(now)}`);
  expect(await exact(page, 'At the end')).toBe(values.at(-1)!.v);
  await expect(page.locator('dd').filter({ hasText: '0 to 200' })).toBeVisible();
  await expect(page.locator('dd').filter({ hasText: '200 ms' })).toBeVisible();
  await expect.poll(() => inked(page, '--s1')).toBeGreaterThan(500);
  // Values of 10 to 90 in a range of 0 to 200 stay in the lower half.
  const rows = (await columnsOf(page, '--s1')).filter((c) => c !== null);
  const height = await page.locator('.u-over').evaluate((over) => over.clientHeight * devicePixelRatio);
  expect(Math.min(...rows.map(([first]) => first))).toBeGreaterThan(height * 0.5);
  const line = await page.locator('pre').filter({ hasText: 'read_csv' }).innerText();
  expect(line).toContain(`.query("${now - 60_000} <= t_ms <= ${now}")`);
  const csv = await (await request.get(/"(http[^"]+)"/.exec(line)![1]!)).text();
  expect(csv.trimEnd().split('\r\n')).toHaveLength(values.length + 1);
});

test('plot 2: least and greatest are labelled, and are others once they have left the window', async ({ page, request }) => {
  const topic = await makeTopic(request, 'extremes');
  const now = Date.now();
  const values = wandering(now, 50, 100);
  values[100]!.v = 500;
  values[200]!.v = -500;
  await publish(request, topic, values.map((value) => ({ key: 'a', value })));
  const at = (from_ms: number): string => `/plots/2?topic=${topic}&from=${iso(from_ms)}&to=${iso(now)}`;
  await page.goto(at(now - 60_000));
  expect([await exact(page, 'Maximum'), await exact(page, 'Minimum')]).toEqual([500, -500]);
  await expect.poll(() => inked(page, '--s2')).toBeGreaterThan(500);
  await expect.poll(() => inked(page, '--s4')).toBeGreaterThan(500);

  for (const from of [101, 201]) {
    await page.goto(at(values[from]!.t));
    const shown = values.slice(from).map(({ v }) => v);
    expect([await exact(page, 'Maximum'), await exact(page, 'Minimum')]).toEqual([Math.max(...shown), Math.min(...shown)]);
  }
});

test('plot 3: where values were made, where they arrived, and what the delays between are; late and out of order stand out', async ({ page, request }) => {
  const topic = await makeTopic(request, 'bursts', '--config', 'message.timestamp.type=LogAppendTime');
  const begin = Date.now();
  // Three bursts: in time, late, and one made before the others.
  for (const [after_ms, n] of [[-300, 20], [-6000, 10], [-9000, 4]] as const) {
    const now = Date.now();
    await publish(request, topic, Array.from({ length: n }, (_, i) => ({ key: 'a', value: { t: now + after_ms + i * 10, v: 40 + i } })));
  }
  await page.goto(`/plots/3?topic=${topic}&from=${iso(begin - 20_000)}&to=${iso(begin + 10_000)}`);
  const [records] = await series(request, topic, `from=${iso(begin - 60_000)}&to=${iso(begin + 60_000)}`);
  const delays = records!.t_ms.map((t, i) => records!.arrival_ms[i]! - t).sort((a, b) => a - b);
  await expect(page.locator('dd').filter({ hasText: /^20$/ })).toBeVisible();
  expect(await exact(page, 'p50')).toBe(delays[Math.ceil(delays.length / 2) - 1]);
  expect(await exact(page, 'p99')).toBe(delays.at(-1));
  expect(await exact(page, 'In time')).toBe(20);
  expect(await exact(page, 'Late') + (await exact(page, 'Out of order'))).toBe(14);
  expect(await exact(page, 'Out of order')).toBe(14);
  for (const chart of ['created', 'arrived', 'delay']) {
    await expect.poll(() => inked(page, '--bad', chart), chart).toBeGreaterThan(5);
    await expect.poll(() => inked(page, '--s1', chart), chart).toBeGreaterThan(3);
  }
  // The cursor of one chart stands in all of them.
  const box = (await page.locator('[data-chart="arrived"] .u-over').boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.7, box.y + 20);
  for (const chart of ['created', 'arrived', 'delay']) await expect.poll(() => inked(page, '--control', chart), chart).toBeGreaterThan(0);
});

test('plot 4: the moving average is a second line, its values those of the data', async ({ page, request }) => {
  const { topics } = await overview(request);
  test.skip(!topics.some(({ name }) => name === 'sensors-average'), 'SKIPPED: the server has no topic sensors-average; start `weir demo`');
  await page.goto('/plots/4');
  await expect.poll(() => inked(page, '--s1')).toBeGreaterThan(50);
  await expect.poll(() => inked(page, '--s2')).toBeGreaterThan(50);
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page).toHaveURL(/from=.*to=/);
  const name = await page.locator('label', { hasText: 'Series' }).locator('select').inputValue();
  const query = `series=${name}&series=${name}.average&window=10m`;
  const [[values], [averages]] = [await series(request, 'sensors', query), await series(request, 'sensors-average', query)];
  const shown = await page.locator('dl > div').filter({ hasText: 'average of' }).locator('dd').getAttribute('title');
  const [value, at] = shown!.split(' at ');
  const i = values!.t_ms.indexOf(Date.parse(at!));
  expect(averages!.v[averages!.t_ms.indexOf(Date.parse(at!))]).toBe(Number(value));
  const five = values!.v.slice(i - 4, i + 1);
  expect(Number(value)).toBeCloseTo(five.reduce((sum, v) => sum + v, 0) / five.length, 9);
});

test('plot 5: three producers and their average, four graphs', async ({ page, request }) => {
  const topic = await makeTopic(request, 'combined');
  const now = Math.floor(Date.now() / 1000) * 1000;
  await publish(
    request,
    topic,
    Array.from({ length: 40 }, (_, i) => {
      const values = { a: 10 + i, b: 30, ...(i >= 10 && i < 20 ? {} : { c: 80 - i }) };
      const all = Object.values(values);
      return { key: 'average', value: { t: now - 40_000 + i * 1000, average: all.reduce((sum, v) => sum + v, 0) / all.length, ...values, producers: all.length } };
    }),
  );
  await page.goto(`/plots/5?topic=${topic}&from=${iso(now - 45_000)}&to=${iso(now)}`);
  await expect(page.getByRole('region', { name: 'Their average', exact: true })).toBeVisible();
  await expect(page.locator('.chart')).toHaveCount(4);
  expect([await exact(page, 'a'), await exact(page, 'b'), await exact(page, 'c')]).toEqual([49, 30, 41]);
  expect(await exact(page, 'Their average')).toBe(40);
  for (const [i, ring] of ['a', 'b', 'c'].entries()) await expect.poll(() => inked(page, `--s${i + 1}`, `average.${ring}`), ring).toBeGreaterThan(100);
  await expect.poll(() => inked(page, '--s8', 'average.average')).toBeGreaterThan(100);
  // For ten seconds one of them was silent: its line is open, and the average says so.
  const [c, b] = [await inked(page, '--s3', 'average.c'), await inked(page, '--s2', 'average.b')];
  expect(c).toBeLessThan(b * 0.85);
  await expect.poll(() => inked(page, '--warn', 'average.average')).toBeGreaterThan(50);
});

test('a plot of a topic that is not there says what to type', async ({ page }) => {
  await page.goto('/plots/1?topic=not-there-yet');
  await expect(page.getByText('There is no topic named “not-there-yet” yet.')).toBeVisible();
  await expect(page.locator('pre').first()).toContainText('publish sensor --topic not-there-yet --rate 5/s --range 0..100');
});

for (const scheme of ['light', 'dark'] as const) {
  for (const [width, height] of [[360, 800], [1280, 1000], [3840, 2160]] as const) {
    test(`at ${width} px, ${scheme}, no plot scrolls sideways`, async ({ page, request }) => {
      const { topics } = await overview(request);
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height });
      for (const n of [0, 1, 2, 3, 4, 5]) {
        await page.goto(n === 0 ? '/plots' : `/plots/${n}`);
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
        const fed = ['', 'sensors', 'sensors', 'bursty', 'sensors', 'sensors-combined'][n]!;
        if (n > 0 && topics.some(({ name }) => name === fed)) {
          const [token, chart] = [['', '--s1', '--s1', '--s1', '--s1', '--s8'][n]!, ['', 'chart', 'chart', 'created', 'chart', 'average.average'][n]!];
          await expect(page.locator(`[data-chart="${chart}"] canvas`)).toBeVisible();
          await expect.poll(() => inked(page, token, chart), `plot ${n}`).toBeGreaterThan(10);
          await expect(page.getByText(/^Live/)).toBeVisible();
          if (n === 4) await expect.poll(() => inked(page, '--s2', chart), 'the average').toBeGreaterThan(10);
          await expect(page.locator('[data-chart] canvas')).toHaveCount([0, 1, 1, 3, 1, 4][n]!);
        }
        expect(await scrollsSideways(page), `plot ${n}`).toBe(false);
        await page.screenshot({ path: `${artefacts}/plot-${n}-${width}-${scheme}.png`, fullPage: width === 360 });
      }
    });
  }
}
