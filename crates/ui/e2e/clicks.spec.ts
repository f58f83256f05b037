// The example page of docs/examples in a real browser: served from an origin of its own, its clicks arrive in the topic, and it can read nothing.
import { createReadStream } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { fileURLToPath } from 'node:url';
import { expect, test } from '@playwright/test';

const origin = process.env['EXAMPLE_ORIGIN'];
const file = fileURLToPath(new URL('../../../docs/examples/clicks.html', import.meta.url));
let server: Server;

test.skip(!origin, 'SKIPPED: EXAMPLE_ORIGIN names no origin; start `weir demo --allow-origin` with it');

test.beforeAll(async () => {
  server = createServer((_, answer) => {
    answer.setHeader('content-type', 'text/html; charset=utf-8');
    createReadStream(file).pipe(answer);
  });
  await new Promise<void>((done) => server.listen(Number(new URL(origin!).port), '127.0.0.1', done));
});

test.afterAll(() => {
  server.close();
});

interface Columns {
  series: { name: string; v: number[] }[];
}

test('clicks on a page of a named origin arrive in the topic, and the page can read nothing', async ({ page, request, baseURL }) => {
  await page.goto(`${origin}/clicks.html?weir=${baseURL}`);
  const places = [
    [40, 50],
    [140, 150],
    [240, 77],
  ];
  for (const [x, y] of places) await page.mouse.click(x!, y!);
  await expect(page.locator('output')).toHaveText('3');
  const xs = async (): Promise<number[]> => {
    const answer = await request.get('/topics/clicks/series?window=1h');
    const { series } = (await answer.json()) as Columns;
    return series.find(({ name }) => name === 'x')?.v ?? [];
  };
  await expect.poll(async () => (await xs()).slice(-3).sort((a, b) => a - b)).toEqual([40, 140, 240]);

  // JSON in a Blob makes the browser ask first (a preflight), and fetch reads whether it was taken.
  const fetched = await page.evaluate(async (weir) => {
    const headers = { 'content-type': 'application/json' };
    const taken = await fetch(`${weir}/ingest/clicks`, { method: 'POST', headers, body: '{"x":7,"y":8}' });
    const read = await fetch(`${weir}/topics/clicks/series`).then(
      (answer) => answer.status,
      () => 'refused',
    );
    return { taken: taken.status, read };
  }, baseURL);
  expect(fetched).toEqual({ taken: 204, read: 'refused' });
  const beacon = await page.evaluate(
    (weir) => navigator.sendBeacon(`${weir}/ingest/clicks`, new Blob(['{"x":9,"y":9}'], { type: 'application/json' })),
    baseURL,
  );
  expect(beacon).toBe(true);
  await expect.poll(async () => (await xs()).slice(-1)).toEqual([9]);
});
