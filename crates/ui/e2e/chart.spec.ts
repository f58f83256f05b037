// The chart of any numbers in a real browser, over numbers that the test knows: every peak in its pixel, gaps left open, what is no
// number counted, and the address says it all.
import { readFileSync } from 'node:fs';
import { expect, test, type Page } from '@playwright/test';
import { chartOf, columnsOf, makeTopic, publish, settled } from './page';

const iso = (ms: number): string => new Date(ms).toISOString();
const address = (topic: string, from_ms: number, to_ms: number): string => `/t/${topic}?tab=plot&from=${iso(from_ms)}&to=${iso(to_ms)}`;

/** Waits for the drawing, and takes the pointer away from it. */
async function drawn(page: Page): Promise<number> {
  await page.mouse.move(0, 0);
  await expect.poll(async () => (await chartOf(page)).drawn).toBeGreaterThan(500);
  return settled(page);
}

test('every column of pixels reaches its least and its greatest value, though there are twenty values to a pixel', async ({ page, request }) => {
  const topic = await makeTopic(request, 'peaks');
  const to_ms = Math.floor(Date.now() / 1000) * 1000;
  const from_ms = to_ms - 20_000;
  const values = Array.from({ length: 20_000 }, (_, i) => {
    if (i === 3 || i === 19_990) return i === 3 ? 0 : 100;
    // Rare, and a millisecond wide each.
    return i % 997 === 500 ? 20 + ((i * 31) % 75) : 45 + 5 * Math.sin(i / 800);
  });
  await publish(request, topic, values.map((v, i) => ({ key: 'a', value: { t: from_ms + i, v } })));
  await page.goto(address(topic, from_ms, to_ms));
  await drawn(page);
  const columns = await columnsOf(page, '--s1');
  // The axis is known from the least and the greatest of all.
  const top = Math.min(...columns.map((c) => c?.[0] ?? Number.POSITIVE_INFINITY));
  const bottom = Math.max(...columns.map((c) => c?.[1] ?? 0));
  const y = (v: number): number => bottom - (v / 100) * (bottom - top);
  const width_ms = 20_000 / columns.length;
  let peaks = 0;
  values.forEach((v, i) => {
    if (i % 997 !== 500) return;
    const x = Math.floor(i / width_ms);
    // Where the page's and the test's columns meet may differ by one.
    const near = columns.slice(Math.max(0, x - 1), x + 2).filter((c) => c !== null);
    expect(Math.min(...near.map(([first]) => first)), `value ${v} at ${i}`).toBeLessThanOrEqual(y(v) + 2);
    expect(Math.max(...near.map(([, last]) => last)), `value ${v} at ${i}`).toBeGreaterThanOrEqual(y(v) - 2);
    peaks += 1;
  });
  expect(peaks).toBe(20);
});

test('a silence is left open, a value alone in it is seen, and what is no number is counted with its reason', async ({ page, request }) => {
  const topic = await makeTopic(request, 'gaps');
  const to_ms = Math.floor(Date.now() / 1000) * 1000;
  const from_ms = to_ms - 20_000;
  const at = (i: number): object => ({ key: 'a', value: { t: from_ms + i, v: 50 + 10 * Math.sin(i / 700) } });
  const line = (from: number, to: number): object[] => Array.from({ length: (to - from) / 50 }, (_, i) => at(from + i * 50));
  const bad = ['hello', 'NaN', '{"v":"x"}'].map((value) => ({ key: 'a', value }));
  await publish(request, topic, [...line(0, 6000), ...bad, at(10_000), ...line(14_000, 20_000)] as { value: unknown }[]);
  await page.goto(address(topic, from_ms, to_ms));
  await drawn(page);
  const columns = await columnsOf(page, '--s1');
  const part = (from: number, to: number): (unknown | null)[] => columns.slice(Math.ceil(columns.length * from), Math.floor(columns.length * to));
  expect(part(0.02, 0.29).every((c) => c !== null)).toBe(true);
  expect(part(0.32, 0.48).every((c) => c === null)).toBe(true);
  expect(part(0.48, 0.52).some((c) => c !== null)).toBe(true);
  expect(part(0.52, 0.68).every((c) => c === null)).toBe(true);
  expect(part(0.72, 0.98).every((c) => c !== null)).toBe(true);

  const counted = page.getByRole('button', { name: '3 records without numbers' });
  await counted.click();
  await expect(page.locator('footer ul li').first()).toContainText(/^\d: /);
});

test('zoomed, moved and paused by hand and by keys; a link sent to somebody shows the same', async ({ page, request, browser, baseURL }) => {
  const topic = await makeTopic(request, 'zoomed');
  const now = Date.now();
  await publish(
    request,
    topic,
    Array.from({ length: 3000 }, (_, i) => ({ key: `s${i % 3}`, value: { t: now - 30_000 + Math.floor(i / 3) * 30, v: Math.sin(i / 200) * 10 + (i % 3) * 30 } })),
  );
  await page.goto(`/t/${topic}?tab=plot`);
  await expect(page.locator('li button[aria-pressed=true]')).toHaveCount(3);
  const box = (await page.locator('.u-over').boundingBox())!;
  await page.mouse.move(box.x + box.width * 0.6, box.y + 50);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.9, box.y + 80, { steps: 4 });
  await expect.poll(() => page.locator('.u-select').evaluate((marked: HTMLElement) => marked.offsetWidth)).toBeGreaterThan(box.width * 0.25);
  await page.mouse.up();
  const span = (): number => {
    const query = new URL(page.url()).searchParams;
    return Date.parse(query.get('to') ?? '') - Date.parse(query.get('from') ?? '');
  };
  await expect.poll(span).toBeGreaterThan(15_000);
  await expect.poll(span).toBeLessThan(21_000);
  const first = span();
  await page.mouse.move(box.x + box.width * 0.7, box.y + 50);
  await page.keyboard.down('Control');
  await page.mouse.wheel(0, -200);
  await expect.poll(span).toBeLessThan(first * 0.8);
  await page.keyboard.up('Control');
  const closer = span();
  await page.keyboard.press('-');
  await expect.poll(span).toBeGreaterThan(closer * 1.5);
  const before = page.url();
  await page.keyboard.press('ArrowLeft');
  await expect.poll(() => page.url()).not.toBe(before);
  await page.locator('li button[aria-pressed]').first().click();
  await expect(page).toHaveURL(/hide=|series=/);

  const other = await browser.newContext({ baseURL: baseURL!, viewport: page.viewportSize()! });
  const theirs = await other.newPage();
  await theirs.goto(page.url());
  await drawn(theirs);
  await drawn(page);
  // The y axis of who zoomed is the one they had, so the values are compared by what is drawn of them, column by column.
  for (const token of ['--s1', '--s2', '--s3']) {
    const [a, b] = [await columnsOf(page, token), await columnsOf(theirs, token)];
    expect(b.map((c) => c !== null), token).toEqual(a.map((c) => c !== null));
  }
  await expect(theirs.locator('.state')).toContainText('Paused at');
  await other.close();

  await page.keyboard.press('e');
  await expect(page).not.toHaveURL(/from=/);
});

test('a stretch saved as CSV has every point of it, and as PNG a picture', async ({ page, request }) => {
  const topic = await makeTopic(request, 'saved');
  const to_ms = Math.floor(Date.now() / 1000) * 1000;
  const values = Array.from({ length: 5000 }, (_, i) => ({ key: 'a, "b"', value: { t: to_ms - 9999 + i * 2, v: i / 7 } }));
  await publish(request, topic, values);
  await page.goto(address(topic, to_ms - 10_000, to_ms));
  await drawn(page);
  const [csv] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'CSV' }).click()]);
  const lines = readFileSync((await csv.path())!, 'utf8').trimEnd().split('\r\n');
  expect(lines[0]).toBe('series,t_ms,arrival_ms,offset,value');
  expect(lines.length).toBe(5001);
  expect(lines[1]).toMatch(new RegExp(`^"a, ""b""",${to_ms - 9999},\\d+,0,0$`));
  expect(Number(lines[5000]!.split(',').at(-1))).toBe(4999 / 7);
  const [png] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'PNG' }).click()]);
  const bytes = readFileSync((await png.path())!);
  expect(bytes.subarray(1, 4).toString()).toBe('PNG');
  expect(bytes.readUInt32BE(16)).toBeGreaterThan(800);
  expect(png.suggestedFilename()).toMatch(/^made-saved-.*\.png$/);
});

test('of a hundred series every one is drawn and named', async ({ page, request }) => {
  const topic = await makeTopic(request, 'hundred');
  const to_ms = Math.floor(Date.now() / 1000) * 1000;
  // Each line at a height of its own, a value at a time.
  await publish(
    request,
    topic,
    Array.from({ length: 20_000 }, (_, i) => ({ key: `s${i % 100}`, value: { t: to_ms - 20_000 + Math.floor(i / 100) * 100, v: (i % 100) * 10 } })),
  );
  await page.setViewportSize({ width: 1280, height: 1400 });
  await page.goto(address(topic, to_ms - 20_000, to_ms));
  await expect(page.locator('li button[aria-pressed=true]')).toHaveCount(100);
  await drawn(page);
  const lines = await page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('.chart canvas')!;
    const { data } = canvas.getContext('2d')!.getImageData(Math.floor(canvas.width / 2) + 3, 0, 1, canvas.height);
    // A line is where there is ink after none; grid lines are of the line's colour or fainter.
    let [count, open] = [0, false];
    for (let y = 0; y < canvas.height; y += 1) {
      const [r, g, b, a] = data.slice(y * 4, y * 4 + 4) as unknown as [number, number, number, number];
      const ink = a > 128 && Math.max(r, g, b) - Math.min(r, g, b) > 20;
      if (ink && !open) count += 1;
      open = ink;
    }
    return count;
  });
  // One in eight is grey, as the grid is.
  expect(lines).toBeGreaterThanOrEqual(85);
});

test('an address that asks for what there is not says what is wrong and shows what is usual', async ({ page, request }) => {
  const topic = await makeTopic(request, 'wrong');
  await publish(request, topic, [{ value: { v: 1 } }, { value: { v: 2 } }]);
  await page.goto(`/t/${topic}?tab=plot&window=5s`);
  await expect(page.getByRole('alert')).toContainText('window=5s is no window from 10s to 24h');
  await expect(page.getByRole('button', { name: '1 min', exact: true })).toHaveAttribute('aria-pressed', 'true');
});
