// The library in a real browser: cards of what the topics hold, with pictures that are pictures, and links that lead to the player.
import { execFileSync } from 'node:child_process';
import { expect, test, type APIRequestContext, type Locator, type Page } from '@playwright/test';
import type { Library, Video } from '../src/lib/api';
import { artefacts, makeTopic, overview, scrollsSideways } from './page';

async function videos(request: APIRequestContext): Promise<Video[]> {
  const answer = await request.get('/library', { headers: { accept: 'application/json' } });
  return ((await answer.json()) as Library).videos;
}

/** The topic of a live video; what the server holds is known a moment after it has started. */
async function liveTopic(request: APIRequestContext): Promise<string> {
  let live: Video | undefined;
  const find = async (): Promise<boolean> => {
    live = (await videos(request)).find((video) => video.live && video.poster !== null && !video.topic.startsWith('made-'));
    return live !== undefined;
  };
  for (let tries = 0; tries < 50 && !(await find()); tries += 1) await new Promise((done) => setTimeout(done, 200));
  test.skip(!live, 'SKIPPED: the server has no live video; start `weir demo`');
  return live!.topic;
}

/** The cards of a topic's videos. */
const cardOf = (page: Page, topic: string): Locator =>
  page.getByRole('article').filter({ has: page.locator(`h2 a[href="/t/${topic}"], h2 a[href^="/t/${topic}?"]`) });

/** How many different colours a poster has, of a few thousand of its pixels. */
const coloursOf = (card: Locator): Promise<number> =>
  card.locator('img').evaluate((image: HTMLImageElement) => {
    if (!image.complete || image.naturalWidth === 0) return 0;
    const canvas = document.createElement('canvas');
    canvas.width = 64;
    canvas.height = 36;
    const context = canvas.getContext('2d')!;
    context.drawImage(image, 0, 0, 64, 36);
    return new Set(new Uint32Array(context.getImageData(0, 0, 64, 36).data.buffer)).size;
  });

test('the live video has a card with a picture that leads to its edge', async ({ page, request }) => {
  const topic = await liveTopic(request);
  await page.goto('/library');
  const card = cardOf(page, topic);
  await expect(card.getByText('Live', { exact: true })).toBeVisible();
  await expect.poll(() => coloursOf(card)).toBeGreaterThan(20);
  await expect(card.locator('.length')).toContainText(/\d:\d\d/);
  const source = await card.locator('img').getAttribute('src');
  expect(source).toContain('width=320');
  const size = await card.locator('img').evaluate((image: HTMLImageElement) => image.naturalWidth);
  expect(size).toBeLessThanOrEqual(320);
  await card.getByRole('heading').getByRole('link').click();
  await expect(page).toHaveURL(new RegExp(`/t/${topic}`));
  await expect(page.locator('video')).toHaveAttribute('data-state', 'shown');
});

test('its picture stays while the library is asked for again', async ({ page, request }) => {
  const topic = await liveTopic(request);
  let asked = 0;
  page.on('request', (sent) => (asked += new URL(sent.url()).pathname === '/library' && sent.resourceType() === 'fetch' ? 1 : 0));
  await page.goto('/library');
  const card = cardOf(page, topic);
  await expect(card.locator('.poster')).toHaveAttribute('data-state', 'shown');
  await card.locator('.poster').evaluate((poster: HTMLElement) => {
    const seen = ((window as unknown as { seen: string[] }).seen = []) as string[];
    new MutationObserver(() => seen.push(poster.dataset['state']!)).observe(poster, { attributes: true, subtree: true, childList: true });
  });
  await expect.poll(() => asked, { timeout: 20_000 }).toBeGreaterThan(2);
  const seen = await page.evaluate(() => (window as unknown as { seen: string[] }).seen);
  expect(seen.filter((state) => state !== 'shown')).toEqual([]);
});

test('films published one after another are cards of their own, and a named viewer goes on where it stopped', async ({ page, request }) => {
  const weir = process.env['WEIR'];
  const topic = await makeTopic(request, 'films');
  const { bootstrap } = await overview(request);
  const run = (...args: string[]): unknown => execFileSync(weir!, ['--bootstrap', bootstrap, ...args], { stdio: 'pipe' });
  // A film of five seconds, twice, under two names.
  const source = await makeTopic(request, 'film');
  run('publish', 'testcard', '--topic', source, '--count', '125');
  const film = test.info().outputPath('film.mp4');
  run('export', source, film);
  for (const key of ['alien', 'brazil']) run('publish', 'video', film, '--topic', topic, '--key', key);
  await expect.poll(async () => (await videos(request)).filter((video) => video.topic === topic).map(({ key }) => key).sort()).toEqual(['alien', 'brazil']);
  // Somebody watches the first two seconds.
  const first = (await videos(request)).find((video) => video.topic === topic && video.key === 'alien')!;
  const to = new Date(first.from_ms + 2000).toISOString();
  await request.get(`/topics/${topic}/video.mp4?from=resume&group=ann&to=${to}`);

  await page.goto('/library');
  const card = cardOf(page, topic).filter({ has: page.getByRole('heading', { name: 'alien' }) });
  await expect(card.getByText(topic)).toBeVisible();
  await expect.poll(() => coloursOf(card)).toBeGreaterThan(20);
  const viewer = card.getByRole('link', { name: /ann/ });
  await expect(viewer).toContainText('0:01 of 0:0');
  const seen = Number(await card.getByRole('progressbar').getAttribute('aria-valuenow'));
  expect(seen).toBeGreaterThan(30);
  expect(seen).toBeLessThan(50);
  await expect(cardOf(page, topic).filter({ has: page.getByRole('heading', { name: 'brazil' }) }).getByRole('progressbar')).toHaveCount(0);

  // Search, by key.
  await page.keyboard.press('/');
  await page.keyboard.type('brazil');
  await expect(card).toBeHidden();
  await page.keyboard.press('Escape');
  await expect(card).toBeVisible();

  await viewer.click();
  await expect(page).toHaveURL(new RegExp(`/t/${topic}\\?key=alien&group=ann&from=resume`));
});

test('where nothing is, it says what to type; where the server refuses, why', async ({ page }) => {
  const nothing: Library = { videos: [], truncated: false, pending: 0, problems: [] };
  await page.route('/library', (route) => (route.request().resourceType() === 'fetch' ? route.fulfill({ json: nothing }) : route.fallback()));
  await page.goto('/library');
  await expect(page.getByText('weir publish video film.mp4')).toBeVisible();
  await page.screenshot({ path: `${artefacts}/library-empty.png` });
  await page.unroute('/library');
  const problem = { type: 'about:blank', title: 'Service Unavailable', status: 503, detail: 'nobody listens at 127.0.0.1:9', remedy: 'start it' };
  await page.route('/library', (route) => (route.request().resourceType() === 'fetch' ? route.fulfill({ status: 503, json: problem }) : route.fallback()));
  await page.reload();
  await expect(page.getByRole('alert')).toContainText('nobody listens');
  await page.unroute('/library');
  await page.getByRole('button', { name: 'Try again' }).click();
  await expect(page.getByRole('alert')).toBeHidden();
});

for (const scheme of ['light', 'dark'] as const) {
  for (const [width, height] of [[360, 800], [1280, 900], [3840, 2160]] as const) {
    test(`at ${width} px, ${scheme}, the library does not scroll sideways`, async ({ page, request }) => {
      const topic = await liveTopic(request);
      await page.emulateMedia({ colorScheme: scheme });
      await page.setViewportSize({ width, height });
      await page.goto('/library');
      await expect.poll(() => coloursOf(cardOf(page, topic))).toBeGreaterThan(20);
      expect(await scrollsSideways(page)).toBe(false);
      await page.screenshot({ path: `${artefacts}/library-${width}-${scheme}.png` });
    });
  }
}
