// docs/clients.md shows exactly the code that is tested, and all of it.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';

const text = (path) => readFile(new URL(path, import.meta.url), 'utf8');

test('the JavaScript in docs/clients.md is the tested code', async () => {
  const files = (await readdir(new URL('snippets', import.meta.url))).map((name) => `snippets/${name}`);
  const sources = await Promise.all([...files, 'support/resume.js'].map(text));
  const tested = sources.flatMap((source) =>
    [...source.matchAll(/^\/\/ #region .+\n([^]*?)^\/\/ #endregion/gm)].map(([, region]) => region),
  );
  const shown = [...(await text('../../docs/clients.md')).matchAll(/^```js\n([^]*?)^```$/gm)].map(([, block]) => block);
  assert.ok(shown.length > 10, 'the blocks were not found');
  assert.deepEqual(shown.toSorted(), tested.toSorted());
});
