// Checks `/openapi.json` with the recommended rules of Redocly and Spectral, except the one against a slash at the end of a path,
// which the paths of the original have.

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
  // The servers in the document depend on the base path.
  for (const [name, base] of [['root', ''], ['below', '/some/chat']]) {
    const server = await startServer({ BASE_PATH: base });
    try {
      const document = await (await fetch(`${server.url}/openapi.json`)).text();
      await writeFile(join(directory, `${name}.json`), document);
    } finally {
      await server.stop();
    }
  }
});

after(() => rm(directory, { recursive: true }));

/** Runs a linter. Returns its exit code and its output. */
function run(name, args) {
  // Neither may look for updates or send telemetry.
  const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true', CI: 'true' };
  return new Promise((resolve) =>
    execFile(program(name), args, { cwd: directory, env }, (error, stdout, stderr) =>
      resolve({ code: error ? error.code : 0, stdout, output: stdout + stderr }),
    ),
  );
}

const redocly = (file) => run('redocly', ['lint', '--format=json', file]);
const spectral = (file) => run('spectral', ['lint', '--quiet', '--format=json', '--fail-severity=hint', file]);

for (const file of ['root.json', 'below.json']) {
  test(`Redocly finds nothing in ${file}`, async () => {
    const { code, stdout, output } = await redocly(file);
    assert.deepEqual(JSON.parse(stdout).totals, { errors: 0, warnings: 0, ignored: 0 }, output);
    assert.equal(code, 0, output);
  });

  test(`Spectral finds nothing in ${file}`, async () => {
    const { code, stdout, output } = await spectral(file);
    assert.deepEqual(JSON.parse(stdout), [], output);
    assert.equal(code, 0, output);
  });
}

test('both linters find the errors of an invalid document', async () => {
  const document = { openapi: '3.1.0', info: { title: 'x', version: '1' }, paths: { '/a': { get: { responses: {} } } } };
  await writeFile(join(directory, 'wrong.json'), JSON.stringify(document));
  for (const lint of [redocly, spectral]) {
    const { code, output } = await lint('wrong.json');
    assert.equal(code, 1, output);
  }
});
