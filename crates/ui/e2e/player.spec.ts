// The player over all that a topic holds, in a real browser: every jump is held against the time in the test card's pixels.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, type APIRequestContext, type Locator, type Page } from '@playwright/test';
import type { Video } from '../src/lib/api';
import { artefacts, makeTopic, openCard, overview, pictureAt, scrollsSideways, timeOnScreen, topicOf, weir } from './page';

/** Two pictures of the test card, and what a time is rounded to. */
const close_ms = 100;
/** Between two key frames of it there is no more. */
const gop_ms = 2500;

const line = (page: Page): Locator => page.getByRole('slider', { name: 'Position' });
const state = (page: Page): Locator => page.locator('.state');
const iso = (at_ms: number): string => new Date(at_ms).toISOString();

async function timelineOf(request: APIRequestContext, topic: string): Promise<Video> {
  const answer = await request.get(`/topics/${topic}/timeline`);
  expect(answer.ok(), await answer.text()).toBe(true);
  return (await answer.json()) as Video;
}

/** The demo's test card, once there is enough of it to go about in. */
async function longEnough(request: APIRequestContext, length_ms = 40_000): Promise<{ topic: string; from_ms: number }> {
  const topic = await topicOf(request, 'video');
  await expect.poll(async () => (await timelineOf(request, topic)).length_ms, { timeout: 55_000 }).toBeGreaterThan(length_ms);
  const { from_ms } = await timelineOf(request, topic);
  return { topic, from_ms };
}

/** Keeps a video on its first picture, whatever the page does: what `play` would show next is another. */
const neverPlays = async (page: Page): Promise<void> => {
  await page.addInitScript(() => {
    HTMLMediaElement.prototype.play = () => Promise.resolve();
  });
};

const expectTime = (page: Page, at_ms: number, within_ms = close_ms): Promise<void> =>
  expect.poll(async () => Math.abs(((await timeOnScreen(page)) ?? 0) - at_ms)).toBeLessThan(within_ms);

/** The picture shown is the one that the topic has for the time; a publisher that was held up left none out for want of one. */
async function expectPictureOf(page: Page, topic: string, at_ms: number, within_ms = close_ms): Promise<void> {
  const first = await pictureAt(page, topic, at_ms - within_ms);
  const last = await pictureAt(page, topic, at_ms + within_ms);
  await expectTime(page, (first + last) / 2, (last - first) / 2 + 1);
}

const tInAddress = (page: Page): number => Date.parse(new URL(page.url()).searchParams.get('t') ?? '');

/** Opens the connections of a page's player to be counted. */
function connections(page: Page): string[] {
  const opened: string[] = [];
  page.on('websocket', (socket) => socket.url().includes('/live') && opened.push(socket.url()));
  return opened;
}

async function clickAt(page: Page, part: number): Promise<void> {
  const box = (await line(page).boundingBox())!;
  await page.mouse.click(box.x + box.width * part, box.y + box.height / 2);
}

test('a click on the line shows the picture of that time, and the address says so', async ({ page, request }) => {
  const { topic } = await longEnough(request);
  await openCard(page, `/t/${topic}`);
  await expect(state(page)).toContainText(/Live · /);
  await expect(line(page)).toHaveAttribute('aria-valuetext', /live$/);
  await page.keyboard.press(' ');
  await clickAt(page, 0.25);
  // The line grows while it is clicked; the jump's own word for where it went is held against the pixels.
  const { from_ms, length_ms } = await timelineOf(request, topic);
  await expectTime(page, from_ms + 0.25 * length_ms, 2000);
  await expect(page).toHaveURL(/[?&]t=/);
  const shown = (await timeOnScreen(page))!;
  await expect.poll(() => Math.abs(tInAddress(page) - shown)).toBeLessThan(close_ms);
  await expect(state(page)).toContainText('Paused');

  await page.keyboard.press('e');
  await expect(state(page)).toContainText(/Live · /);
  await expect(page).not.toHaveURL(/[?&]t=/);
});

test('t= opens on the picture of that time, as a time and as how far in', async ({ page, request }) => {
  const { topic, from_ms } = await longEnough(request);
  await neverPlays(page);
  for (const [t, at_ms] of [
    [encodeURIComponent(iso(from_ms + 7000)), from_ms + 7000],
    ['12', from_ms + 12_000],
    ['0m20s', from_ms + 20_000],
  ] as const) {
    await openCard(page, `/t/${topic}?t=${t}`);
    await expectPictureOf(page, topic, at_ms);
  }
});

test('a link to this moment, opened elsewhere, shows the same picture', async ({ page, request, context }) => {
  const { topic, from_ms } = await longEnough(request);
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await openCard(page, `/t/${topic}?t=${encodeURIComponent(iso(from_ms + 9000))}`);
  await page.keyboard.press(' ');
  await expect(state(page)).toContainText('Paused');
  await page.getByRole('button', { name: 'Copy link at this moment' }).click();
  await expect(page.getByRole('button', { name: 'Link copied' })).toBeVisible();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  const shown = (await timeOnScreen(page))!;
  const other = await context.newPage();
  await neverPlays(other);
  await openCard(other, link);
  await expectTime(other, shown, 50);
});

test('a t= that is no moment is named, with what would be one, and the video plays live', async ({ page, request }) => {
  const { topic } = await longEnough(request);
  await openCard(page, `/t/${topic}?t=soon`);
  await expect(page.getByText('t=soon is no moment')).toBeVisible();
  await expect(state(page)).toContainText(/Live · /);
  await page.goto(`/t/${topic}?t=99h`);
  await expect(page.getByText('t=99h lies behind the end')).toBeVisible();
});

test('the picture under the pointer is the one of there', async ({ page, request }) => {
  const { topic } = await longEnough(request);
  await openCard(page, `/t/${topic}`);
  await expect(line(page)).toBeVisible();
  const box = (await line(page).boundingBox())!;
  for (const part of [0.6, 0.3]) {
    await page.mouse.move(box.x + box.width * part, box.y + box.height / 2);
    await expect
      .poll(async () => {
        const { from_ms, length_ms } = await timelineOf(request, topic);
        return Math.abs(((await timeOnScreen(page, '.preview img')) ?? 0) - (from_ms + part * length_ms));
      })
      .toBeLessThan(gop_ms + 1000);
  }
  await page.mouse.move(10, 10);
  await expect(page.locator('.preview')).toHaveCount(0);
});

test('keys go to tenths, back and on, picture by picture and to both ends', async ({ page, request }) => {
  const { topic, from_ms } = await longEnough(request);
  const opened = connections(page);
  await openCard(page, `/t/${topic}`);
  await expect(line(page)).toBeVisible();
  await page.keyboard.press(' ');
  await page.keyboard.press('0');
  await expectTime(page, from_ms);
  const jumped = opened.length;
  const ahead_s = (video: HTMLVideoElement): number => (video.buffered.length > 0 ? video.buffered.end(video.buffered.length - 1) - video.currentTime : 0);
  await expect.poll(() => page.locator('video').evaluate(ahead_s)).toBeGreaterThan(15.5);
  await page.keyboard.press('l');
  await expectPictureOf(page, topic, from_ms + 10_000);
  await page.keyboard.press('ArrowRight');
  await expectPictureOf(page, topic, from_ms + 15_000);
  await page.keyboard.press('j');
  await expectPictureOf(page, topic, from_ms + 5000);
  // What is buffered is gone about in without asking for it again.
  expect(opened.length).toBe(jumped);

  await page.keyboard.press('5');
  const { length_ms } = await timelineOf(request, topic);
  await expectTime(page, from_ms + length_ms / 2, 2500);
  // Back beyond the picture it was opened with and the key frame in front of it. After a publisher's pause pictures lie close.
  let before = (await timeOnScreen(page))!;
  for (let i = 0; i < 70; i += 1) {
    await page.keyboard.press(',');
    await expect.poll(async () => before - ((await timeOnScreen(page)) ?? before)).toBeGreaterThan(0);
    before = (await timeOnScreen(page))!;
  }
  await page.keyboard.press('.');
  await expect.poll(async () => ((await timeOnScreen(page)) ?? 0) - before).toBeGreaterThan(0);
  await page.keyboard.press('Home');
  await expectTime(page, from_ms);
  await page.keyboard.press('End');
  await expect(state(page)).toContainText(/Live · /);
});

test('the line is used by the keyboard: a tenth by page, a hundredth by arrow, and it says where it is', async ({ page, request }) => {
  const { topic, from_ms } = await longEnough(request);
  await openCard(page, `/t/${topic}?t=0`);
  await page.keyboard.press(' ');
  await line(page).focus();
  await page.keyboard.press('Home');
  await expectTime(page, from_ms);
  await expect(line(page)).toHaveAttribute('aria-valuetext', /^0:00 of \d+:\d\d, /);
  await page.keyboard.press('PageUp');
  const { length_ms } = await timelineOf(request, topic);
  await expectTime(page, from_ms + length_ms / 10, 1500);
});

test('of jumps that follow one another at once the last one counts', async ({ page, request }) => {
  const { topic, from_ms } = await longEnough(request);
  await openCard(page, `/t/${topic}`);
  await expect(line(page)).toBeVisible();
  await page.keyboard.press(' ');
  await expect(state(page)).toContainText('Paused');
  await page.evaluate(() => {
    for (const key of '83172640') document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  });
  await expectTime(page, from_ms);
  await page.evaluate(() => {
    for (const key of '0l') document.body.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  });
  await expectPictureOf(page, topic, from_ms + 10_000);
});

test('at double speed twice as much passes, and at the live edge it is single again', async ({ page, request }) => {
  const { topic } = await longEnough(request);
  await openCard(page, `/t/${topic}`);
  await expect(state(page)).toContainText(/Live · /);
  // Nothing to go faster with at the edge.
  await page.keyboard.press('>');
  await expect(page.getByLabel('Speed')).toHaveValue('1');
  await page.keyboard.press('0');
  await expect(state(page)).toContainText('behind');
  await page.getByLabel('Speed').selectOption('2');
  await expect(page).toHaveURL(/speed=2/);
  const look = async (): Promise<{ picture: number; here: number }> => ({
    picture: (await timeOnScreen(page))!,
    here: await page.evaluate(() => performance.now()),
  });
  await expect.poll(() => page.evaluate(() => document.querySelector('video')!.playbackRate)).toBe(2);
  const first = await look();
  await expect.poll(async () => (await look()).picture).toBeGreaterThan(first.picture + 6000);
  const last = await look();
  const ratio = (last.picture - first.picture) / (last.here - first.here);
  expect(ratio).toBeGreaterThan(1.4);
  expect(ratio).toBeLessThan(3);

  await page.keyboard.press('e');
  await expect(state(page)).toContainText(/Live · /);
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await expect(state(page)).toContainText('behind');
  for (let i = 0; i < 3; i += 1) await page.keyboard.press('>');
  await expect(state(page)).toContainText(/Live · /, { timeout: 40_000 });
  await expect(page.getByLabel('Speed')).toHaveValue('1');
});

test('a named viewer goes on where it stopped, and is told where', async ({ page, request, context }) => {
  const { topic, from_ms } = await longEnough(request);
  const name = `anna-${Date.now()}`;
  await openCard(page, `/t/${topic}?t=${encodeURIComponent(iso(from_ms + 6000))}`);
  await page.keyboard.press(' ');
  await expect(state(page)).toContainText('Paused');
  await expect(page).toHaveURL(/[?&]t=/);
  await page.getByLabel('Watch as').fill(name);
  await page.getByRole('button', { name: 'Keep my place' }).click();
  await expect(page.getByText(`Watching as ${name}`)).toBeVisible();
  await expect(page).toHaveURL(new RegExp(`group=${name}`));
  await expect(page.locator('video')).toHaveAttribute('data-state', 'shown');
  const kept = async (): Promise<number> => (await timelineOf(request, topic)).viewers.find(({ group }) => group === name)?.at_ms ?? 0;
  await expect.poll(kept).toBeGreaterThan(0);
  await page.keyboard.press('l');
  await page.keyboard.press(' ');
  await expect(state(page)).toContainText('Paused');
  const stopped = (await timeOnScreen(page))!;
  // A picture or two, which lie further apart where the publisher was held up.
  await expect.poll(async () => Math.abs((await kept()) - stopped)).toBeLessThan(3 * close_ms);
  await page.close();

  const later = await context.newPage();
  await neverPlays(later);
  await openCard(later, `/t/${topic}?group=${name}`);
  await expectPictureOf(later, topic, await kept());
  await expect(later.getByText(`${name} goes on at`)).toBeVisible();
});

test('two films with a pause between them: the pause is left out, the end says so, and it plays again', async ({ page, request }) => {
  test.setTimeout(180_000);
  const { topic: card } = await longEnough(request);
  const folder = mkdtempSync(join(tmpdir(), 'weir-player-'));
  const film = join(folder, 'film.mp4');
  const topic = await makeTopic(request, 'films');
  try {
    await weir(request, 'export', card, film, '--from', '-10s', '--to', '-4s');
    const publish = (): Promise<void> => weir(request, 'publish', 'video', film, '--topic', topic);
    await publish();
    const first = await timelineOf(request, topic);
    // What follows must lie behind a pause.
    await expect.poll(() => Date.now(), { timeout: 60_000, intervals: [500] }).toBeGreaterThan(first.to_ms + 11_000);
    await publish();
    await expect.poll(async () => (await timelineOf(request, topic)).spans.length).toBe(2);
    const { spans, length_ms } = await timelineOf(request, topic);
    expect(length_ms).toBeLessThan(20_000);

    await openCard(page, `/t/${topic}?t=0`);
    await expect(page.locator('.joint')).toHaveCount(1);
    await page.keyboard.press(' ');
    await page.keyboard.press('0');
    await expect(line(page)).toHaveAttribute('aria-valuenow', '0');
    await expect(page.locator('.facts span').first()).toHaveAttribute('title', iso(spans[0]!.from_ms));
    const begins = (await timeOnScreen(page))!;
    // The second is the same film again: 3 s into it is the picture of 3 s into the first.
    const length_s = (spans[0]!.to_ms - spans[0]!.from_ms) / 1000;
    await clickAt(page, (length_s + 3) / (length_ms / 1000));
    await expectTime(page, begins + 3000, 300);
    await page.keyboard.press('ArrowLeft');
    await expectTime(page, begins + (length_s - 2) * 1000, 300);

    for (const scheme of ['light', 'dark'] as const) {
      for (const [width, height] of [[360, 800], [1280, 900]] as const) {
        await page.emulateMedia({ colorScheme: scheme });
        await page.setViewportSize({ width, height });
        let x = 150;
        await expect
          .poll(async () => {
            x += 1;
            await line(page).hover({ position: { x, y: 12 } });
            return page.locator('.preview img').count();
          })
          .toBe(1);
        await expect.poll(() => timeOnScreen(page, '.preview img')).not.toBeNull();
        expect(await scrollsSideways(page)).toBe(false);
        await page.screenshot({ path: `${artefacts}/films-${width}-${scheme}.png` });
      }
    }
    await page.mouse.move(10, 10);

    // Until the newest picture is as old as that of something that has ended.
    await expect.poll(async () => (await timelineOf(request, topic)).live, { timeout: 60_000, intervals: [500] }).toBe(false);
    await page.keyboard.press('End');
    await expect(state(page)).toContainText('Ended · last picture', { timeout: 30_000 });
    await page.getByRole('button', { name: 'Play again' }).click();
    await expect.poll(async () => (await timeOnScreen(page))! - begins).toBeLessThan(4000);
    await expect(state(page)).toContainText('behind');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a film published at once has its length on the line, and a click shows the picture of there', async ({ page, request }) => {
  const { topic: card } = await longEnough(request);
  const folder = mkdtempSync(join(tmpdir(), 'weir-player-'));
  const film = join(folder, 'film.mp4');
  const topic = await makeTopic(request, 'at-once');
  try {
    await weir(request, 'export', card, film, '--from', '-14s', '--to', '-4s');
    await weir(request, 'publish', 'video', film, '--topic', topic, '--pace', 'max');
    const { from_ms, to_ms, length_ms } = await timelineOf(request, topic);
    await openCard(page, `/t/${topic}?t=0`);
    await page.keyboard.press(' ');
    // As far as the card's own pictures lie apart, first to last.
    const first = await pictureAt(page, topic, from_ms);
    const last = await pictureAt(page, topic, to_ms);
    expect(Math.abs(length_ms - (last - first))).toBeLessThan(close_ms);
    expect(length_ms).toBeGreaterThan(6000);
    // Half a picture behind its beginning, so that no rounding gives its neighbour.
    const there = await pictureAt(page, card, first + length_ms / 2);
    expect(await pictureAt(page, topic, from_ms + (there - first) + 20)).toBe(there);

    await expect(line(page)).toHaveAttribute('aria-valuemax', String(Math.round(length_ms / 1000)));
    await clickAt(page, 0.6);
    await expectPictureOf(page, card, first + 0.6 * length_ms, 2 * close_ms);
    await page.screenshot({ path: `${artefacts}/film-at-once.png` });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('pictures that are no video have the same line: t=, a jump, a pause, picture by picture, a place that is kept', async ({ page, request, context }) => {
  const { topic: card } = await longEnough(request);
  const folder = mkdtempSync(join(tmpdir(), 'weir-player-'));
  const film = join(folder, 'film.mp4');
  const topic = await makeTopic(request, 'stills');
  const shown = (): Promise<number | null> => timeOnScreen(page, '.frame img');
  /** The picture that the topic has for a time, up to a rounding of it. */
  const expectShown = (at_ms: number): Promise<void> =>
    expect.poll(async () => Math.abs(((await shown()) ?? 0) - (await pictureAt(page, topic, at_ms)))).toBeLessThan(5);
  try {
    await weir(request, 'export', card, film, '--from', '-24s', '--to', '-4s');
    await weir(request, 'publish', 'video', film, '--topic', topic, '--codec', 'jpeg', '--fps', '5', '--pace', 'max');
    await expect.poll(async () => (await overview(request)).topics.find(({ name }) => name === topic)?.kind).toBe('video');
    const { from_ms, length_ms } = await timelineOf(request, topic);
    await page.goto(`/t/${topic}?t=3`);
    await page.locator('.frame img[data-state=shown]').waitFor();
    await page.keyboard.press(' ');
    await expect(state(page)).toContainText('Paused');
    await expect(line(page)).toHaveAttribute('aria-valuemax', String(Math.round(length_ms / 1000)));
    await expect.poll(() => tInAddress(page)).toBeGreaterThanOrEqual(from_ms + 2500);
    await expectShown(tInAddress(page));

    await clickAt(page, 0.5);
    await expect.poll(() => Math.abs(tInAddress(page) - from_ms - length_ms / 2)).toBeLessThan(1000);
    await expectShown(tInAddress(page));
    const jumped = (await shown())!;
    await page.keyboard.press('.');
    await expect.poll(shown).toBeGreaterThan(jumped);
    await page.keyboard.press(',');
    await expect.poll(shown).toBe(jumped);
    await page.keyboard.press(',');
    await expect.poll(shown).toBeLessThan(jumped);
    await page.keyboard.press('0');
    await expectShown(from_ms);
    const first = (await shown())!;
    await page.keyboard.press('ArrowRight');
    await expectShown(from_ms + 5000);
    await page.keyboard.press('ArrowLeft');
    await expectShown(from_ms);
    // It goes on in its own time.
    await page.keyboard.press(' ');
    await expect.poll(shown).toBeGreaterThan(first + 2000);
    await expect(state(page)).toContainText('behind');
    const box = (await line(page).boundingBox())!;
    await page.mouse.move(box.x + box.width * 0.7, box.y + box.height / 2);
    await expect.poll(async () => Math.abs(((await timeOnScreen(page, '.preview img')) ?? 0) - first - 0.7 * length_ms)).toBeLessThan(1000);
    for (const scheme of ['light', 'dark'] as const) {
      for (const [width, height] of [[360, 800], [1280, 900]] as const) {
        await page.emulateMedia({ colorScheme: scheme });
        await page.setViewportSize({ width, height });
        expect(await scrollsSideways(page)).toBe(false);
        await page.screenshot({ path: `${artefacts}/pictures-${width}-${scheme}.png` });
      }
    }
    await page.mouse.move(10, 10);
    await page.keyboard.press('End');
    await expectShown(from_ms + length_ms);
    await expect(page.getByLabel('Speed')).toHaveCount(0);

    // Somebody with a name goes on where it stopped.
    const name = `mary-${Date.now()}`;
    await page.goto(`/t/${topic}?t=5&group=${name}`);
    await page.locator('.frame img[data-state=shown]').waitFor();
    await expect.poll(shown).toBeGreaterThan(first + 7000);
    await page.keyboard.press(' ');
    await expect(state(page)).toContainText('Paused');
    const stopped = (await shown())!;
    const kept = async (): Promise<number> => (await timelineOf(request, topic)).viewers.find(({ group }) => group === name)?.at_ms ?? 0;
    await expect.poll(async () => Math.abs((await kept()) - from_ms - (stopped - first))).toBeLessThan(1500);
    const later = await context.newPage();
    await later.goto(`/t/${topic}?group=${name}`);
    await later.locator('.frame img[data-state=shown]').waitFor();
    await later.keyboard.press(' ');
    await expect(later.getByText(`${name} goes on at`)).toBeVisible();
    const went = (await timeOnScreen(later, '.frame img'))!;
    expect(went).toBeGreaterThan(stopped - 1500);
    expect(went).toBeLessThan(stopped + 5000);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('full screen keeps the line and the buttons', async ({ page, request }) => {
  const { topic } = await longEnough(request);
  await openCard(page, `/t/${topic}`);
  await expect(line(page)).toBeVisible();
  await page.keyboard.press('f');
  await expect.poll(() => page.evaluate(() => document.fullscreenElement !== null)).toBe(true);
  await expect(line(page)).toBeVisible();
  await expect(page.getByRole('button', { name: 'Pause' })).toBeVisible();
  await page.screenshot({ path: `${artefacts}/player-full-screen.png` });
  await page.keyboard.press('f');
  await expect.poll(() => page.evaluate(() => document.fullscreenElement === null)).toBe(true);
});
