// How the browser tests run: the system's Chromium against the server that WEIR_URL names; pictures go to ARTEFACTS.
import { defineConfig } from '@playwright/test';

// The server is started by whoever runs this (`cargo xtask ui-test`); with `weir demo` behind it every test has its topics.
const baseURL = process.env['WEIR_URL'] ?? 'http://127.0.0.1:8080';
const artefacts = process.env['ARTEFACTS'] ?? 'artefacts';

export default defineConfig({
  testDir: 'e2e',
  // Those need more than one server, and somebody who does things to them: `cargo xtask interop`.
  testIgnore: process.env['INTEROP'] ? [] : ['interop/**'],
  outputDir: `${artefacts}/failed`,
  // One browser at a time: they decode video.
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  forbidOnly: true,
  reporter: [['list']],
  use: {
    baseURL,
    screenshot: 'only-on-failure',
    launchOptions: {
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
    },
  },
});
