// The modules as a server serves them: without comments.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { transform } from 'esbuild';

import { startServer } from '../../../tests/clients/support/server.js';

const FOLDERS = { client: '../src/', chat: '../../../src/web/chat/', docs: '../../../src/web/docs/' };

const code = async (text) => (await transform(text, { minify: true, format: 'esm' })).code;

test('modules are served without comments, and otherwise as they are', async (t) => {
  const server = await startServer();
  t.after(() => server.stop());
  for (const [path, folder] of Object.entries(FOLDERS)) {
    const names = (await readdir(new URL(folder, import.meta.url), { recursive: true })).filter((name) => name.endsWith('.js'));
    for (const name of names) {
      const text = await readFile(new URL(folder + name, import.meta.url), 'utf8');
      const served = await (await fetch(`${server.url}/${path}/${name}`)).text();
      assert.equal(await code(served), await code(text), name);
      assert.doesNotMatch(served, /^\s*(\/\/|\/\*\*$)/m, name);
      const line = text.split('\n').findIndex((one) => one.startsWith('export '));
      assert.equal(served.split('\n')[line], text.split('\n')[line], 'lines keep their numbers');
    }
  }
});
