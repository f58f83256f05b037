// The home page in a real browser over a running demo: the picture plays, the chart draws, counts rise, nothing overflows.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { artefacts, chartOf, makeTopic, overview, pictureOf, scrollsSideways, topicOf } from './page';

test('the home page shows picture, chart, counts and topics, all of them moving', async ({ page, request }) => {
  const video = await topicOf(request, 'video');
  const numbers = await topicOf(request, 'numbers');
  await topicOf(request, 'counts');
  await page.goto('/');

  await expect(page.locator('video')).toHaveAttribute('data-state', 'shown');
  const first = { picture: await pictureOf(page), time: await page.evaluate(() => document.querySelector('video')!.currentTime) };
  await expect.poll(() => page.evaluate(() => document.querySelector('video')!.currentTime)).toBeGreaterThan(first.time + 0.5);
  await expect.poll(() => pictureOf(page)).not.toBe(first.picture);
  await expect(page.getByRole('region', { name: 'Live picture' }).locator('.state')).toContainText(/Live · \d/);

  // Of the demo's topics of numbers it is the three sensors that are shown.
  if (await page.getByRole('region', { name: 'Topics' }).getByRole('link', { name: 'sensors', exact: true }).isVisible()) {
    await expect(page.getByRole('region', { name: 'Live chart' }).getByRole('button', { pressed: true })).toContainText(['sensor-1', 'sensor-2', 'sensor-3']);
  }
  await expect(page.locator('.chart canvas')).toBeVisible();
  await expect.poll(async () => (await chartOf(page)).drawn).toBeGreaterThan(500);
  const { sum: drawing } = await chartOf(page);
  await expect.poll(async () => (await chartOf(page)).sum).not.toBe(drawing);

  const counts = page.getByRole('region', { name: 'Live counts' });
  const sum = async (): Promise<number> => {
    const cells = await counts.locator('tbody td').allInnerTexts();
    return cells.reduce((total, text) => total + Number(text.replace(/\D/g, '')), 0);
  };
  await expect.poll(sum).toBeGreaterThan(0);
  const before = await sum();
  await expect.poll(sum).toBeGreaterThan(before);

  const table = page.getByRole('region', { name: 'Topics' });
  for (const name of [video, numbers]) await expect(table.getByRole('link', { name, exact: true })).toBeVisible();
});

test('a camera that was silent goes on at the live edge with pictures that lean on those from before', async ({ page, request }) => {
  const program = process.env['WEIR'];
  test.skip(!program, 'SKIPPED: the environment does not say where the program is (WEIR=target/debug/weir)');
  const topic = await makeTopic(request, 'silent');
  const { bootstrap } = await overview(request);
  const folder = mkdtempSync(join(tmpdir(), 'weir-silent-'));
  const film = join(folder, 'film.mp4');
  // 40 s with one key frame alone, at the start, and nothing between the 10th and the 14th second.
  const silent = ['-vf', "select='not(between(t,10,14))'", '-fps_mode', 'vfr', '-g', '9999', '-bf', '0', '-sc_threshold', '0'];
  let publisher: ChildProcess | null = null;
  try {
    const card = 'testsrc2=size=320x180:rate=25:duration=40';
    execFileSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', card, '-c:v', 'libx264', '-preset', 'veryfast', '-pix_fmt', 'yuv420p', ...silent, film]);
    publisher = spawn(program!, ['--bootstrap', bootstrap, '-q', 'publish', 'video', film, '--topic', topic], { stdio: 'ignore' });
    await expect.poll(async () => (await overview(request)).topics.find(({ name }) => name === topic)?.kind).toBe('video');
    await page.goto(`/t/${topic}`);
    await expect(page.locator('video')).toHaveAttribute('data-state', 'shown');
    const offset = async (): Promise<number> => Number((await page.locator('.facts a').textContent())?.replace(/\D/g, ''));
    // The picture in front of the silence, and five seconds behind it.
    await expect.poll(offset).toBeLessThan(245);
    await expect.poll(offset, { timeout: 30_000 }).toBeGreaterThan(375);
    await expect(page.locator('.state')).toContainText(/Live · /);
  } finally {
    publisher?.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});

test('a topic in the table leads to its own page, and back goes back', async ({ page, request }) => {
  const numbers = await topicOf(request, 'numbers');
  await page.goto('/');
  await page.getByRole('region', { name: 'Topics' }).getByRole('link', { name: numbers, exact: true }).click();
  await expect(page).toHaveURL(`/t/${numbers}`);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(numbers);
  await expect(page.getByRole('tab', { name: 'Plot' })).toHaveAttribute('aria-selected', 'true');
  await page.goBack();
  await expect(page.getByRole('region', { name: 'Topics' })).toBeVisible();
});

for (const scheme of ['light', 'dark'] as const) {
  for (const [width, height] of [[360, 800], [1280, 900], [2560, 1440]] as const) {
    test(`at ${width} px, ${scheme}, nothing scrolls sideways`, async ({ page, request }) => {
      const topics = [await topicOf(request, 'video'), await topicOf(request, 'numbers'), await topicOf(request, 'text')];
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height });
      await page.goto('/');
      await expect(page.getByRole('region', { name: 'Live picture' }).locator('.state')).toContainText(/Live · \d/);
      await expect.poll(async () => (await chartOf(page)).drawn).toBeGreaterThan(500);
      expect(await scrollsSideways(page)).toBe(false);
      await page.screenshot({ path: `${artefacts}/home-${width}-${scheme}.png`, fullPage: width === 360 });
      for (const topic of topics) {
        await page.goto(`/t/${topic}`);
        await expect(page.getByRole('tabpanel')).toBeVisible();
        await expect(page.locator('.facts a, .chart canvas, .record').first()).toBeVisible();
        expect(await scrollsSideways(page)).toBe(false);
        await page.screenshot({ path: `${artefacts}/${topic}-${width}-${scheme}.png` });
      }
    });
  }
}

test('everything is reached and used by the keyboard alone', async ({ page }) => {
  await page.goto('/');
  await expect(page.getByRole('region', { name: 'Topics' })).toBeVisible();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to the page' })).toBeFocused();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog', { name: 'Keys' })).toBeHidden();
  await page.keyboard.press('/');
  await expect(page.getByRole('searchbox')).toBeFocused();
  await page.keyboard.type('no topic has this name');
  await expect(page.getByRole('region', { name: 'Topics' })).toContainText('No topic’s name contains');
  await page.keyboard.press('Escape');
  await expect(page.getByRole('searchbox')).not.toBeFocused();
});

test('an address that leads nowhere says so, and so does a topic that is not there', async ({ page }) => {
  await page.goto('/t/no/where');
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('There is no page here');
  await page.goto('/t/there.is-no_such');
  await expect(page.getByText('There is no topic named “there.is-no_such”')).toBeVisible();
});

test('the page brings all it needs: nothing is asked of another host', async ({ page, baseURL }) => {
  const hosts = new Set<string>();
  page.on('request', (asked) => hosts.add(new URL(asked.url()).host));
  await page.goto('/');
  await expect(page.getByRole('region', { name: 'Topics' })).toBeVisible();
  expect([...hosts]).toEqual([new URL(baseURL!).host]);
});
