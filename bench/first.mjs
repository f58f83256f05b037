// How soon a page shows the first picture of a live video: from the start of the navigation to the first frame that is
// presented, each time in a context of its own, so that nothing is cached.
//
//     first.mjs URL TIMES CHROMIUM
//
// Prints JSON. The browser is driven by what crates/ui has installed.

import { createRequire } from 'node:module';

const { chromium } = createRequire(new URL('../crates/ui/package.json', import.meta.url))('@playwright/test');

const [, , url, times, executablePath] = process.argv;
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'] });
try {
  const taken = [];
  // The first is the browser's own first page: it is not counted.
  for (let n = 0; n <= Number(times); n += 1) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
    await context.addInitScript(() => {
      window.firstPicture = new Promise((done) => {
        new MutationObserver((_, observer) => {
          const video = document.querySelector('video');
          if (!video) return;
          observer.disconnect();
          video.requestVideoFrameCallback((presented_ms) => done(presented_ms));
        }).observe(document, { childList: true, subtree: true });
      });
    });
    const page = await context.newPage();
    await page.goto(url, { waitUntil: 'commit' });
    const took = await page.evaluate(() => window.firstPicture);
    if (n > 0) taken.push(took);
    await context.close();
  }
  taken.sort((a, b) => a - b);
  console.log(JSON.stringify({ p50_ms: taken[Math.floor(taken.length / 2)], max_ms: taken.at(-1) }));
} finally {
  await browser.close();
}
