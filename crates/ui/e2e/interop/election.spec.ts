// A cluster of three that is real, while it elects: what the player's page and the cluster's page say of a leader that was killed, and
// that the pictures go on by themselves. Whoever runs this (`cargo xtask interop "an election in the browser"`) does what the lines ask
// for that begin with `next:`; that it was done is seen in the pages.
import { expect, test } from '@playwright/test';
import { artefacts, timeOnScreen } from '../page';

const next = (what: string): void => console.log(`next: ${what}`);

test('a leader is killed: both pages say what happens, and the pictures go on by themselves', async ({ context }) => {
  // Two elections and a broker's start, on a machine that does other things as well.
  test.setTimeout(400_000);
  const slow = { timeout: 120_000 };
  const [watch, cluster] = [await context.newPage(), await context.newPage()];
  const shot = async (name: string): Promise<void> => {
    await watch.screenshot({ path: `${artefacts}/election-${name}-watch.png` });
    await cluster.screenshot({ path: `${artefacts}/election-${name}-cluster.png`, fullPage: true });
  };

  await cluster.goto('/cluster');
  const replicas = cluster.locator('[data-topic="cam"] .replica');
  const roles = (): Promise<string[]> =>
    replicas.evaluateAll((all) => all.map((one) => `${one.textContent} ${one.getAttribute('data-role')}`).sort());
  const headline = cluster.getByRole('status');
  const events = cluster.getByRole('log');
  await expect(headline.filter({ hasText: 'led and in sync' })).toBeVisible();
  await expect(cluster.locator('[data-broker][data-state="up"]')).toHaveCount(3);
  await expect(cluster.locator('[data-broker]').filter({ hasText: 'Controller' })).toHaveCount(1);
  const leader = await cluster.locator('[data-topic="cam"] .replica[data-role="leads"]').innerText();
  const others = ['1', '2', '3'].filter((id) => id !== leader);
  const dead = cluster.locator(`[data-broker="${leader}"]`);

  await watch.goto('/t/cam');
  const state = watch.getByRole('tabpanel').locator('.state').first();
  const waiting = watch.locator('.waiting');
  const currentTime = (): Promise<number> => watch.evaluate(() => document.querySelector('video')!.currentTime);
  await expect(state).toContainText(/^Live · \d/);
  const begun = await currentTime();
  await expect.poll(currentTime).toBeGreaterThan(begun + 1);
  // A page that was loaded again would not have it.
  await watch.evaluate(() => document.body.setAttribute('data-stayed', 'yes'));
  await shot('1-before');

  next(`kill broker ${leader}`);
  const stands = new RegExp(`broker ${leader}, which leads partition 0 of topic "cam", does not answer|has no leader just now`);
  let stood = { waiting: '', state: '', time: 0, at_ms: 0 };
  // All of one moment: another may lead in the next.
  await expect
    .poll(async () => {
      stood = await watch.evaluate(() => ({
        waiting: document.querySelector('.waiting')?.textContent ?? '',
        state: document.querySelector('[role="tabpanel"] .state')?.textContent ?? '',
        time: document.querySelector('video')!.currentTime,
        at_ms: Date.now(),
      }));
      return stood.waiting;
    }, slow)
    .toMatch(stands);
  expect(stood.waiting).toContain('goes on by itself');
  expect(stood.state).toMatch(/^Waiting, /);
  await expect(events).toContainText(`broker ${leader} does not answer (nobody listens at`);
  await expect(dead).toHaveAttribute('data-state', /silent|gone/);
  await expect(headline.filter({ hasText: '1 broker is away' })).toBeVisible();
  await shot('2-killed');

  await expect(dead).toHaveAttribute('data-state', 'gone', slow);
  await expect(dead).toContainText('Gone since');
  await expect.poll(roles, slow).toContain(`${leader} out of sync`);
  await expect.poll(async () => (await roles()).filter((role) => role.endsWith('leads'))).toHaveLength(1);
  expect(others.map((id) => `${id} leads`)).toContain((await roles()).find((role) => role.endsWith('leads')));
  await expect(headline.filter({ hasText: 'a replica out of sync' })).toBeVisible();
  for (const text of [
    `broker ${leader} is gone`,
    `cam/0: broker ${leader} is out of sync, 2 of 3 in sync`,
    new RegExp(`cam/0: leader (${leader} → [${others.join('')}]|[${others.join('')}], after there was none)`),
  ]) {
    await expect(events).toContainText(text);
  }

  await expect(waiting).toBeHidden(slow);
  await expect.poll(currentTime).toBeGreaterThan(stood.time + 1);
  const stood_s = (Date.now() - stood.at_ms) / 1000;
  // The test card shows when each picture was made.
  await expect.poll(() => timeOnScreen(watch)).toBeGreaterThan(stood.at_ms);
  await expect(state).toContainText(/^Live · \d/, slow);
  await expect(watch.locator('.banner')).toHaveCount(0);
  expect(await watch.locator('body').getAttribute('data-stayed'), 'the page is the one that was opened').toBe('yes');
  await shot('3-another-leads');

  next(`start broker ${leader}`);
  await expect(events).toContainText(`cam/0: broker ${leader} is back in sync, 3 of 3 in sync`, slow);
  await expect(events).toContainText(`broker ${leader} is back after `);
  await expect(dead).toHaveAttribute('data-state', 'up');
  await expect(headline.filter({ hasText: 'led and in sync' })).toBeVisible(slow);
  expect((await roles()).sort()).toEqual(expect.arrayContaining([`${leader} in sync`]));
  const after = await currentTime();
  await expect.poll(currentTime).toBeGreaterThan(after + 1);
  await shot('4-in-sync-again');
  console.log(`figures: the page said what it waited for until, after ${stood_s.toFixed(1)} s, pictures moved again`);
});
