// A topic's page in a real browser: watching, plotting, records and latest values, with mouse and keyboard.
import { expect, test } from '@playwright/test';
import { chartOf, newRecords, openCard, settled, timeOnScreen, topicOf } from './page';

const currentTime = () => document.querySelector('video')!.currentTime;

test('the clock in the test card moves, and the time said beside it is the one on the screen', async ({ page, request }) => {
  await openCard(page, `/t/${await topicOf(request, 'video')}`);
  const first = (await timeOnScreen(page)) ?? 0;
  await expect.poll(() => timeOnScreen(page)).toBeGreaterThan(first);

  await page.keyboard.press(' ');
  await expect(page.locator('.state')).toContainText('Paused');
  const said = page.locator('.facts span').first();
  await expect
    .poll(async () => {
      const onScreen = await timeOnScreen(page);
      return Math.abs(Date.parse((await said.getAttribute('title'))!) - onScreen!);
    })
    .toBeLessThan(100);
});

test('space pauses, the comma goes back one picture, e goes to the edge', async ({ page, request }) => {
  await page.goto(`/t/${await topicOf(request, 'video')}`);
  await expect(page.locator('.state')).toContainText(/Live · /);
  await page.keyboard.press(' ');
  await expect(page.getByRole('button', { name: 'Play' })).toBeVisible();
  const paused = await page.evaluate(currentTime);
  await page.keyboard.press(',');
  await expect.poll(() => page.evaluate(currentTime)).toBeLessThan(paused);
  const back = await page.evaluate(currentTime);
  await page.keyboard.press('.');
  await expect.poll(() => page.evaluate(currentTime)).toBeGreaterThan(back);
  await expect(page.getByRole('button', { name: 'Live', exact: true }).first()).toBeVisible();
  await page.keyboard.press('e');
  await expect(page.locator('.state')).toContainText(/Live · /);
  await expect.poll(() => page.evaluate(currentTime)).toBeGreaterThan(paused);
});

test('from=start begins at the first record, not at the edge', async ({ page, request }) => {
  await page.goto(`/t/${await topicOf(request, 'video')}?from=start`);
  await expect(page.locator('video')).toHaveAttribute('data-state', 'shown');
  await expect(page.locator('.state')).toContainText('behind');
  const offset = page.locator('.facts a');
  await expect(offset).toContainText(/offset \d+/);
  await page.getByRole('button', { name: 'Live', exact: true }).first().click();
  await expect(page.locator('.state')).toContainText(/Live · /);
});

test('any browser sees pictures: video.mjpeg in an <img> has a size', async ({ page, request }) => {
  const video = await topicOf(request, 'video');
  await page.goto('/');
  await page.evaluate((topic) => {
    const image = new Image();
    image.id = 'mjpeg';
    image.src = `/topics/${topic}/video.mjpeg`;
    document.body.append(image);
  }, video);
  await expect.poll(() => page.evaluate(() => (document.querySelector('#mjpeg') as HTMLImageElement).naturalWidth)).toBeGreaterThan(0);
});

test('without Media Source Extensions the page shows pictures and says why', async ({ page, request }) => {
  const video = await topicOf(request, 'video');
  await page.addInitScript(() => Reflect.deleteProperty(window, 'MediaSource'));
  await page.goto(`/t/${video}`);
  await expect(page.getByText('This browser has no Media Source Extensions.')).toBeVisible();
  await expect
    .poll(() => page.evaluate(() => document.querySelector<HTMLImageElement>('.frame img')?.naturalWidth ?? 0))
    .toBeGreaterThan(0);
});

test('the chart draws, its window stands in the address, and a pause holds it still', async ({ page, request }) => {
  const topic = await topicOf(request, 'numbers');
  await page.goto(`/t/${topic}?tab=plot`);
  await expect.poll(async () => (await chartOf(page)).drawn).toBeGreaterThan(1000);
  await page.getByRole('button', { name: '5 min', exact: true }).click();
  await expect(page).toHaveURL(/window=5m/);
  await page.reload();
  await expect(page.getByRole('button', { name: '5 min', exact: true })).toHaveAttribute('aria-pressed', 'true');
  await page.getByRole('button', { name: '10 s' }).click();
  await expect.poll(async () => (await chartOf(page)).drawn).toBeGreaterThan(1000);
  await page.getByRole('button', { name: 'Pause' }).click();
  await expect(page.locator('.state')).toContainText('Paused at');
  await page.mouse.move(0, 0);
  // What was under way when it was paused still comes; then nothing changes, while numbers go on coming.
  const still = await settled(page);
  await newRecords(request, topic, 20);
  expect((await chartOf(page)).sum).toBe(still);
  await page.getByRole('button', { name: 'Go on' }).click();
  await expect.poll(async () => (await chartOf(page)).sum).not.toBe(still);
});

test('a series is hidden and shown by its name', async ({ page, request }) => {
  await page.goto(`/t/${await topicOf(request, 'numbers')}?tab=plot`);
  const first = page.locator('li button[aria-pressed]').first();
  await first.click();
  await expect(first).toHaveAttribute('aria-pressed', 'false');
  await first.click();
  await expect(first).toHaveAttribute('aria-pressed', 'true');
});

test('the record list fills, newest on top, and stays where it is while somebody reads', async ({ page, request }) => {
  await page.goto(`/t/${await topicOf(request, 'text')}?tab=records`);
  const rows = page.locator('.record .line');
  await expect.poll(() => rows.count()).toBeGreaterThan(3);
  const offset = async (at: number): Promise<number> => Number((await rows.nth(at).locator('span').nth(1).innerText()).split(':')[1]);
  const top = await offset(0);
  await expect.poll(() => offset(0)).toBeGreaterThan(top);

  await rows.first().click();
  await expect(page.locator('.detail pre')).toBeVisible();
  const held = await rows.first().innerText();
  await expect(page.getByRole('button', { name: /^\d+ new$/ })).toBeVisible();
  expect(await rows.first().innerText()).toBe(held);
  await page.getByRole('button', { name: 'Bytes' }).click();
  await expect(page.locator('.detail pre')).toContainText(/^000000 {2}[0-9a-f]{2} /);
  await page.getByRole('button', { name: /^\d+ new$/ }).click();
  await expect(page.locator('.detail')).toHaveCount(0);
});

test('records are read from the start, oldest first', async ({ page, request }) => {
  await page.goto(`/t/${await topicOf(request, 'numbers')}?tab=records`);
  await page.getByRole('button', { name: 'Start' }).click();
  await expect(page).toHaveURL(/from=start/);
  await expect(page.locator('.state')).toContainText('oldest first');
  await expect.poll(() => page.locator('.record').count()).toBeGreaterThan(3);
});

test('the latest value of each key stands in order, the highest on top', async ({ page, request }) => {
  await page.goto(`/t/${await topicOf(request, 'counts')}`);
  await expect(page.getByRole('tab', { name: 'Latest' })).toHaveAttribute('aria-selected', 'true');
  const cells = page.locator('tbody td:nth-child(2)');
  await expect.poll(() => cells.count()).toBeGreaterThan(2);
  const values = (await cells.allInnerTexts()).map((text) => Number(text.replace(/[^\d.]/g, '')));
  expect(values).toEqual([...values].sort((a, b) => b - a));
});
