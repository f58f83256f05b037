// How the unit tests run: in Node, since nothing they test touches the DOM.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
