// How the page is built: one bundle without anything from elsewhere, each file gzipped beside itself.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { defineConfig, type Plugin } from 'vite';

/** Writes `x.gz` beside every file that gets smaller by it; the server hands it out as it is. */
function gzip(): Plugin {
  return {
    name: 'gzip',
    apply: 'build',
    writeBundle({ dir }) {
      if (!dir) return;
      for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || entry.name.endsWith('.gz')) continue;
        const path = join(entry.parentPath, entry.name);
        const plain = readFileSync(path);
        const small = gzipSync(plain, { level: 9 });
        if (small.length < plain.length * 0.9) writeFileSync(`${path}.gz`, small);
      }
    },
  };
}

// package.json holds Rollup at a version of which every platform's package is to be had everywhere: a lock file that lacks one of
// them fails `npm ci`.

// `npm run dev` shows the page as it is being written, in front of a running server (or the mock).
const server = process.env['WEIR_URL'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte(), gzip()],
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    // Nothing is inlined as data: the page then needs no `data:` in its content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      '/overview': server,
      '/sources': server,
      '/topics': { target: server, ws: true },
    },
  },
});
