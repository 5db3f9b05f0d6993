// Builds GraphiQL into dist/files: the page, and beside it what it loads, compressed once instead of at every request.

import { appendFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { defineConfig } from 'vite';

const OUT = 'dist/files';
const ASSETS = 'graphiql';
const LICENSES = `${ASSETS}/licenses.md`;

/** What Monaco has in it that is no package of its own. */
const notices = {
  name: 'notices',
  writeBundle() {
    appendFileSync(join(OUT, LICENSES), readFileSync('node_modules/monaco-editor/ThirdPartyNotices.txt'));
  },
};

/** The server has these files compressed and no other way, under the names they had. */
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
  // Relative, so that the page works below any path.
  base: './',
  plugins: [notices, compressed],
  worker: { format: 'es' },
  build: {
    outDir: OUT,
    assetsDir: ASSETS,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 10_000,
    // Of all that is put into these files.
    license: { fileName: LICENSES },
    // GraphiQL names its icons, for screen readers, after their functions.
    rolldownOptions: { input: 'graphiql.html', output: { keepNames: true } },
  },
});
