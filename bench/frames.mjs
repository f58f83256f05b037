// How many pictures a second the page's chart makes: the times between animation frames in Chromium, once the chart is drawn.
//
//     frames.mjs URL SECONDS CHROMIUM
//
// Prints JSON. The browser is driven by what crates/ui has installed.

import { createRequire } from 'node:module';

const { chromium } = createRequire(new URL('../crates/ui/package.json', import.meta.url))('@playwright/test');

const [, , url, seconds, executablePath] = process.argv;
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'] });
try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  await page.goto(url);
  // The window is full and its names are known.
  await page.locator('li button[aria-pressed=true]').nth(99).waitFor();
  await page.waitForTimeout(12_000);
  const measured = await page.evaluate(async (span_ms) => {
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const times = [await frame()];
    while (times.at(-1) - times[0] < span_ms) times.push(await frame());
    const between = times.slice(1).map((t, i) => t - times[i]).sort((a, b) => a - b);
    const at = (part) => between[Math.min(between.length - 1, Math.floor(between.length * part))];
    return {
      series: document.querySelectorAll('li button[aria-pressed=true]').length,
      per_second: (between.length * 1000) / (times.at(-1) - times[0]),
      p50_ms: at(0.5),
      p99_ms: at(0.99),
      max_ms: between.at(-1),
      heap_mb: performance.memory.usedJSHeapSize / 1e6,
    };
  }, Number(seconds) * 1000);
  console.log(JSON.stringify(measured));
} finally {
  await browser.close();
}
