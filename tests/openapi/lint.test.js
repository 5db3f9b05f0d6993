// `/openapi.json` under the recommended rules of Redocly and Spectral, all but the one against a slash at the end of a path: the
// original's paths have it.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { startServer } from '../clients/support/server.js';

const program = (name) => fileURLToPath(new URL(`node_modules/.bin/${name}`, import.meta.url));

let directory;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'openapi-'));
  await writeFile(join(directory, 'redocly.yaml'), 'extends: [recommended]\nrules:\n  no-path-trailing-slash: off\n');
  await writeFile(join(directory, '.spectral.yaml'), 'extends: ["spectral:oas"]\nrules:\n  path-keys-no-trailing-slash: off\n');
  // Each base path gives other servers.
  for (const [name, base] of [['root', ''], ['below', '/some/chat']]) {
    const server = await startServer({ BASE_PATH: base });
    const document = await (await fetch(`${server.url}/openapi.json`)).text();
    await server.stop();
    await writeFile(join(directory, `${name}.json`), document);
  }
});

after(() => rm(directory, { recursive: true }));

/** What a linter says of a file, and with which code it ends. */
function run(name, args) {
  // Neither may ask anybody for news or tell anybody what it is used for.
  const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', CI: 'true' };
  return new Promise((resolve) =>
    execFile(program(name), args, { cwd: directory, env }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, said: stdout + stderr }),
    ),
  );
}

const redocly = (file) => run('redocly', ['lint', '--format=json', file]);
const spectral = (file) => run('spectral', ['lint', '--quiet', '--format=json', '--fail-severity=hint', file]);

for (const file of ['root.json', 'below.json']) {
  test(`Redocly finds nothing in ${file}`, async () => {
    const { code, stdout, said } = await redocly(file);
    assert.deepEqual(JSON.parse(stdout).totals, { errors: 0, warnings: 0, ignored: 0 }, said);
    assert.equal(code, 0, said);
  });

  test(`Spectral finds nothing in ${file}`, async () => {
    const { code, stdout, said } = await spectral(file);
    assert.deepEqual(JSON.parse(stdout), [], said);
    assert.equal(code, 0, said);
  });
}

test('both find what is wrong in a document that is', async () => {
  const document = { openapi: '3.1.0', info: { title: 'x', version: '1' }, paths: { '/a': { get: { responses: {} } } } };
  await writeFile(join(directory, 'wrong.json'), JSON.stringify(document));
  for (const lint of [redocly, spectral]) {
    const { code, said } = await lint('wrong.json');
    assert.equal(code, 1, said);
  }
});
