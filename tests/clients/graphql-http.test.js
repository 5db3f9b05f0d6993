// Runs the audits of the `graphql-http` package against the server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { serverAudits } from 'graphql-http';

import { startServer } from './support/server.js';

let server;

before(async () => (server = await startServer()));
after(() => server?.stop());

test('every audit passes', async (t) => {
  const audits = serverAudits({ url: () => `${server.url}/graphql` });
  assert.ok(audits.length >= 60, `only ${audits.length} audits`);
  for (const audit of audits) {
    await t.test(`${audit.id} ${audit.name}`, async () => {
      const { status, reason } = await audit.fn();
      assert.equal(status, 'ok', reason);
    });
  }
});
