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

test('GraphiQL resumes with the tested code', async () => {
  const [, tested] = /^\/\/ #region graphql-ws\n([^]*?)^\/\/ #endregion/m.exec(await text('support/resume.js'));
  assert.ok((await text('../../graphiql/src/resuming.js')).includes(tested));
});

test('the content security policy in docs/clients.md is the one of a tested page', async () => {
  const [, shown] = /```text\n\s*(script-src.*)\n/.exec(await text('../../docs/clients.md'));
  const page = (await text('../../examples/static-page/index.html')).replaceAll(/(http|ws)(:\/\/)127\.0\.0\.1:8001/g, '$1s$2chat.example.org');
  for (const directive of shown.split('; ')) assert.ok(page.replace("'self' https", 'https').includes(directive), directive);
});
