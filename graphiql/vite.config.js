// Builds GraphiQL into dist/files: the page, and its assets, which are compressed here instead of at every request.

import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { defineConfig } from 'vite';

const OUT = 'dist/files';
const ASSETS = 'graphiql';
const LICENSES = `${ASSETS}/licenses.md`;

/** Appends Monaco's third-party notices to the licenses. */
const notices = {
  name: 'notices',
  writeBundle() {
    appendFileSync(join(OUT, LICENSES), readFileSync('node_modules/monaco-editor/ThirdPartyNotices.txt'));
  },
};

/** Compresses the assets in place. The server has no other form of them. */
const compressed = {
  name: 'compressed',
  writeBundle() {
    for (const name of readdirSync(join(OUT, ASSETS))) {
      const path = join(OUT, ASSETS, name);
      writeFileSync(path, gzipSync(readFileSync(path), { level: 9 }));
    }
  },
};

export default defineConfig({
  // Relative, so that the page works under any base path.
  base: './',
  plugins: [notices, compressed],
  worker: { format: 'es' },
  build: {
    outDir: OUT,
    assetsDir: ASSETS,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 10_000,
    // The licenses of all bundled packages.
    license: { fileName: LICENSES },
    // GraphiQL derives icon labels for screen readers from function names.
    rolldownOptions: { input: 'graphiql.html', output: { keepNames: true } },
  },
});
