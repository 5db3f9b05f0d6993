// The package and a server that runs only trusted documents.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { byHash } from '../../../tests/clients/support/chat_documents.js';
import { startServer } from '../../../tests/clients/support/server.js';
import { until } from '../../../tests/clients/support/until.js';
import { openClient, record } from './support/client.js';
import { clientDocuments } from './support/documents.js';

test('the list of the server has the documents that the package sends', async () => {
  const list = JSON.parse(await readFile(new URL('../../../src/web/client-documents.json', import.meta.url), 'utf8'));
  assert.deepEqual(list, clientDocuments(), 'run `make client-documents`');
});

test('the package works with a list of other documents', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'livechat-documents-'));
  t.after(() => rm(folder, { recursive: true }));
  const list = join(folder, 'list.json');
  await writeFile(list, JSON.stringify(byHash(['{ __typename }'])));
  const server = await startServer({ TRUSTED_DOCUMENTS: list });
  t.after(() => server.stop());
  const { errors } = await server.graphql('{ activeRooms { totalCount } }');
  assert.equal(errors[0].extensions.code, 'DOCUMENT_NOT_TRUSTED');

  const chat = openClient(t, server.url);
  const room = await chat.join({ ...(await chat.createRoom()), user: { displayName: 'Ada' } });
  const reader = record(room);
  await room.send('Hello');
  await until(() => reader.events.length === 1 && room.state.people.length === 1);
  for (const text of Object.values(clientDocuments())) {
    const { errors } = await server.graphql(text, {});
    assert.notEqual(errors?.[0].extensions?.code, 'DOCUMENT_NOT_TRUSTED', text);
  }
});
