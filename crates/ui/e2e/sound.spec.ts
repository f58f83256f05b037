// The sound beside a topic's pictures in a real browser: decoded, off at first, heard once somebody wants it.
import { expect, test } from '@playwright/test';
import { film, topicOf } from './page';

interface Playing {
  decoded: number;
  muted: boolean;
  volume: number;
}

const playing = (): Playing => {
  const video = document.querySelector('video') as HTMLVideoElement & { webkitAudioDecodedByteCount?: number };
  return { decoded: video.webkitAudioDecodedByteCount ?? 0, muted: video.muted, volume: video.volume };
};

test('a film is played with its sound: off at first, m turns it on as loud as it was', async ({ page, request }) => {
  const topic = await film(request, 'sound');
  await page.goto(`/t/${topic}?from=start`);
  await expect(page.locator('video')).toHaveAttribute('data-state', 'shown');
  await expect(page.getByRole('button', { name: 'Sound on' })).toBeVisible();
  await expect.poll(async () => (await page.evaluate(playing)).decoded).toBeGreaterThan(0);
  expect((await page.evaluate(playing)).muted).toBe(true);

  await page.keyboard.press('m');
  await expect(page.getByRole('button', { name: 'Sound off' })).toBeVisible();
  expect((await page.evaluate(playing)).muted).toBe(false);
  await page.getByLabel('Volume').fill('0.4');
  await page.keyboard.press('Escape');
  // What comes out of the element, as a level.
  const level = await page.evaluate(async () => {
    const video = document.querySelector('video') as HTMLVideoElement & { captureStream(): MediaStream };
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    context.createMediaStreamSource(video.captureStream()).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    for (let tries = 0; tries < 200; tries += 1) {
      analyser.getFloatTimeDomainData(samples);
      const loudest = Math.max(...samples.map(Math.abs));
      if (loudest > 0.01) return loudest;
      await new Promise((done) => setTimeout(done, 20));
    }
    return 0;
  });
  expect(level).toBeGreaterThan(0.01);

  await page.reload();
  await expect(page.getByRole('button', { name: 'Sound on' })).toBeVisible();
  await page.getByRole('button', { name: 'Sound on' }).click();
  await expect.poll(async () => (await page.evaluate(playing)).volume).toBeCloseTo(0.4);
});

test('where there is no sound there is nothing to turn on', async ({ page, request }) => {
  await page.goto(`/t/${await topicOf(request, 'video')}`);
  await expect(page.locator('video')).toHaveAttribute('data-state', 'shown');
  await expect(page.getByRole('button', { name: 'Full screen' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Sound on' })).toHaveCount(0);
});
