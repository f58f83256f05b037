// What the browser tests share: the server's topics by kind, and what stands on the screen as numbers.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, type APIRequestContext, type Page } from '@playwright/test';
import type { Overview, TopicOverview } from '../src/lib/api';

export const artefacts = process.env['ARTEFACTS'] ?? 'artefacts';

export async function overview(request: APIRequestContext): Promise<Overview> {
  const response = await request.get('/overview', { headers: { accept: 'application/json' } });
  return (await response.json()) as Overview;
}

const kinds = {
  video: (t: TopicOverview) => t.kind === 'video' && !t.content_type?.startsWith('image/'),
  numbers: (t: TopicOverview) => t.kind === 'numbers' && !t.compacted,
  counts: (t: TopicOverview) => t.compacted === true && !t.internal,
  text: (t: TopicOverview) => t.kind === 'text',
};

/** What the tests' own topics begin with: nothing is written to them any more. */
const made = 'made-';

/** The first topic of a kind that is being written to; what the server holds is known a moment after it has started. */
export async function topicOf(request: APIRequestContext, kind: keyof typeof kinds): Promise<string> {
  for (let tries = 0; tries < 50; tries += 1) {
    const { topics } = await overview(request);
    const found = topics.find((t) => kinds[kind](t) && t.records > 0 && !t.name.startsWith(made));
    if (found) return found.name;
    await new Promise((done) => setTimeout(done, 200));
  }
  test.skip(true, `SKIPPED: the server has no ${kind} topic; start \`weir demo\``);
  return '';
}

/** The colours of a few thousand pixels of the first video on the page, as text that differs when the picture does. */
export const pictureOf = (page: Page): Promise<string> =>
  page.locator('video').first().evaluate((video: HTMLVideoElement) => {
    const canvas = document.createElement('canvas');
    canvas.width = 64;
    canvas.height = 36;
    const context = canvas.getContext('2d')!;
    context.drawImage(video, 0, 0, 64, 36);
    return context.getImageData(0, 0, 64, 36).data.join();
  });

/**
 * The time in the test card's strip (geometry and code: crates/media/src/testcard/strip.rs), read from the pixels of the first
 * video, or of another element; null where the picture holds none.
 */
export const timeOnScreen = (page: Page, of = 'video'): Promise<number | null> =>
  page.locator(of).first().evaluate((shown: HTMLVideoElement | HTMLImageElement) => {
    const [width, height] = shown instanceof HTMLVideoElement ? [shown.videoWidth, shown.videoHeight] : [shown.naturalWidth, shown.naturalHeight];
    if (width === 0) return null;
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext('2d', { willReadFrequently: true })!;
    context.drawImage(shown, 0, 0);
    const y = Math.floor(height - height / 40);
    const row = context.getImageData(0, y, width, 1).data;
    let time = 0n;
    let check = 0;
    let group = 0;
    for (let block = 0; block < 48; block += 1) {
      const x = Math.floor(((block + 0.5) * width) / 48);
      const bit = row[x * 4 + 1]! > 127 ? 1 : 0;
      if (block < 42) time = time * 2n + BigInt(bit);
      else check = check * 2 + bit;
    }
    for (let i = 0n; i < 7n; i += 1n) group ^= Number((time >> (i * 6n)) & 63n);
    return (group ^ 0b101010) === check ? Number(time) : null;
  });

/** Opens a page with a video that is the test card, and is shown. */
export async function openCard(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await expect(page.locator('video')).toHaveAttribute('data-state', 'shown');
  const card = expect.poll(() => timeOnScreen(page)).not.toBeNull();
  test.skip(!(await card.then(() => true, () => false)), 'SKIPPED: the video is not the test card');
}

/** The time in the test card's picture that the topic has for a time: the newest at or before it. */
export async function pictureAt(page: Page, topic: string, at_ms: number): Promise<number> {
  const address = `/topics/${topic}/snapshot.jpg?at=${encodeURIComponent(new Date(at_ms).toISOString())}`;
  await page.evaluate(async (src) => {
    const picture = document.createElement('img');
    picture.id = 'snapshot';
    picture.hidden = true;
    picture.src = src;
    document.body.append(picture);
    await picture.decode();
  }, address);
  const time = await timeOnScreen(page, '#snapshot');
  await page.locator('#snapshot').evaluate((picture) => picture.remove());
  expect(time, `a test card at ${address}`).not.toBeNull();
  return time!;
}

/** How many pixels of the chart are no background, and a sum that differs when the drawing does; nothing before it is there. */
export const chartOf = (page: Page): Promise<{ drawn: number; sum: number }> =>
  page.evaluate(() => {
    const canvas = document.querySelector<HTMLCanvasElement>('.chart canvas');
    if (!canvas || canvas.width === 0 || canvas.height === 0) return { drawn: 0, sum: 0 };
    const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
    let drawn = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i]! > 0) drawn += 1;
    const sum = data.reduce((hash, byte) => (Math.imul(hash, 31) + byte) | 0, 0);
    return { drawn, sum };
  });

/** The sum of the chart's drawing once it has not changed for so many looks. */
export async function settled(page: Page): Promise<number> {
  let last = Number.NaN;
  let same = 0;
  await expect
    .poll(async () => {
      const { sum } = await chartOf(page);
      same = sum === last ? same + 1 : 0;
      last = sum;
      return same;
    }, { intervals: [100] })
    .toBeGreaterThan(8);
  return last;
}

/** Waits until so many more records are in the topic. */
export async function newRecords(request: APIRequestContext, topic: string, more: number): Promise<void> {
  const records = async (): Promise<number> => (await overview(request)).topics.find(({ name }) => name === topic)?.records ?? 0;
  const before = await records();
  await expect.poll(records).toBeGreaterThan(before + more);
}

/** Makes a topic of a name of its own, as a user would; `more` are options of `weir topic create`. */
export async function makeTopic(request: APIRequestContext, name: string, ...more: string[]): Promise<string> {
  const topic = `${made}${name}-${Date.now()}`;
  await weir(request, 'topic', 'create', topic, ...more);
  return topic;
}

/** Runs the program as a user would, at the server's Kafka. */
export async function weir(request: APIRequestContext, ...args: string[]): Promise<void> {
  const program = process.env['WEIR'];
  test.skip(!program, 'SKIPPED: the environment does not say where the program is (WEIR=target/debug/weir)');
  const { bootstrap } = await overview(request);
  execFileSync(program!, ['--bootstrap', bootstrap, ...args], { stdio: 'pipe' });
}

/** Publishes ten seconds of a film with sound; gives its topic. */
export async function film(request: APIRequestContext, name: string): Promise<string> {
  const topic = await makeTopic(request, name);
  const folder = mkdtempSync(join(tmpdir(), 'weir-film-'));
  const file = join(folder, 'film.mp4');
  try {
    const pictures = ['-f', 'lavfi', '-i', 'testsrc2=size=320x180:rate=25:duration=10'];
    const sound = ['-f', 'lavfi', '-i', 'sine=frequency=440:duration=10'];
    const codecs = ['-c:v', 'libx264', '-preset', 'veryfast', '-g', '25', '-pix_fmt', 'yuv420p', '-c:a', 'aac'];
    execFileSync('ffmpeg', ['-v', 'error', '-y', ...pictures, ...sound, ...codecs, file], { stdio: 'pipe' });
    await weir(request, '-q', 'publish', 'video', file, '--topic', topic, '--pace', 'max');
  } catch (error) {
    test.skip((error as NodeJS.ErrnoException).code === 'ENOENT', 'SKIPPED: there is no ffmpeg to make a film with');
    throw error;
  } finally {
    rmSync(folder, { recursive: true });
  }
  return topic;
}

/** Publishes values; a key is text, a value text as it stands or what becomes JSON. */
export async function publish(request: APIRequestContext, topic: string, records: { key?: string; value: unknown }[]): Promise<void> {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  for (let from = 0; from < records.length; from += 5000) {
    const part = records.slice(from, from + 5000).map(({ key, value }) => ({
      ...(key !== undefined && { key: base64(key) }),
      value: base64(typeof value === 'string' ? value : JSON.stringify(value)),
    }));
    const answer = await request.post(`/topics/${topic}`, {
      headers: { 'content-type': 'application/vnd.kafka.binary.v2+json' },
      data: JSON.stringify({ records: part }),
    });
    expect(answer.ok(), await answer.text()).toBe(true);
  }
}

/** Of each pixel column of a chart's canvas the rows that are of a colour, first and last; null where none is; none before it is there. */
export const columnsOf = (page: Page, token: string, chart = 'chart'): Promise<([number, number] | null)[]> =>
  page.evaluate(
    ({ token, chart }) => {
      const canvas = document.querySelector<HTMLCanvasElement>(`[data-chart="${chart}"] canvas`);
      const over = document.querySelector<HTMLElement>(`[data-chart="${chart}"] .u-over`);
      // Before the chart is there it has no columns.
      if (!canvas || !over || over.clientWidth === 0 || canvas.height === 0) return [];
      const probe = document.createElement('span');
      probe.style.color = `var(${token})`;
      document.body.append(probe);
      const [r, g, b] = getComputedStyle(probe).color.match(/\d+/g)!.map(Number) as [number, number, number];
      probe.remove();
      const [left, width] = [Math.ceil(over.offsetLeft * devicePixelRatio), Math.floor(over.clientWidth * devicePixelRatio)];
      const { data } = canvas.getContext('2d')!.getImageData(left, 0, width, canvas.height);
      return Array.from({ length: width }, (_, x): [number, number] | null => {
        let [first, last] = [-1, -1];
        for (let y = 0; y < canvas.height; y += 1) {
          const i = (y * width + x) * 4;
          if (Math.abs(data[i]! - r) + Math.abs(data[i + 1]! - g) + Math.abs(data[i + 2]! - b) > 60 || data[i + 3]! < 128) continue;
          if (first < 0) first = y;
          last = y;
        }
        return first < 0 ? null : [first, last];
      });
    },
    { token, chart },
  );

export const scrollsSideways = (page: Page): Promise<boolean> =>
  page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth);
