// The README contains exactly the code that these tests use.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

const text = (path) => readFile(new URL(path, import.meta.url), 'utf8');

test('the code for resuming in the README is the tested code', async () => {
  const readme = await text('../../README.md');
  const lines = await text('support/resume.js');
  const regions = [...lines.matchAll(/^\/\/ #region (.+)\n([^]*?)^\/\/ #endregion/gm)];
  assert.deepEqual(regions.map(([, name]) => name), ['graphql-ws', 'graphql-sse']);
  for (const [, name, region] of regions) assert.ok(readme.includes(region), `the README lacks the lines of ${name}`);
  const built = await text('../../graphiql/src/resuming.js');
  assert.ok(built.includes(regions[0][2]), 'GraphiQL lacks the lines of graphql-ws');
});
