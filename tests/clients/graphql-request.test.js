// graphql-request: queries and mutations over HTTP, by POST and GET. It has no subscriptions.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { ClientError, gql, GraphQLClient } from 'graphql-request';

import { createRoom } from './support/author.js';
import { startServer } from './support/server.js';

const ROOM = gql`
  query Room($roomId: ID!, $roomCode: String!) {
    room(id: $roomId, code: $roomCode) { messages(last: 10) { nodes { text } } }
  }
`;
const SEND = gql`
  mutation Send($input: SendMessageInput!) { sendMessage(input: $input) { token author { id } } }
`;

let server;

before(async () => (server = await startServer()));
after(() => server?.stop());

const client = (options) => new GraphQLClient(`${server.url}/graphql`, options);

test('a complete round of chat', async () => {
  const http = client();
  const room = await createRoom(async (query, variables) => ({ data: await http.request(query, variables) }));
  const first = await room.send('first');
  await room.edit(first, 'first, edited');
  await room.delete(await room.send('second'));

  const texts = ({ room }) => room.messages.nodes.map(({ text }) => text);
  assert.deepEqual(texts(await http.request(ROOM, room.key)), ['first, edited', null]);
  // A GET must send headers that a link or a form cannot send.
  const reader = client({ method: 'GET', jsonSerializer: JSON });
  assert.deepEqual(texts(await reader.request(ROOM, room.key)), ['first, edited', null]);
});

test('errors have codes', async () => {
  const http = client();
  const { key } = await createRoom(server.graphql);
  const { sendMessage } = await http.request(SEND, { input: { ...key, text: 'yes' } });
  const input = { ...key, userId: sendMessage.author.id, token: '0'.repeat(32), text: 'no' };
  for (const [document, variables, code] of [
    [ROOM, { ...key, roomCode: `${key.roomCode}0` }, 'ROOM_CODE_INVALID'],
    [SEND, { input }, 'TOKEN_INVALID'],
  ]) {
    await assert.rejects(http.request(document, variables), (error) => {
      assert.ok(error instanceof ClientError);
      assert.deepEqual(error.response.errors.map(({ extensions }) => extensions.code), [code]);
      return true;
    });
  }
});

test('several operations in one request are refused with a code', async () => {
  const { key } = await createRoom(server.graphql);
  await assert.rejects(client().batchRequests([{ document: ROOM, variables: key }]), (error) => {
    assert.match(JSON.stringify(error.response ?? error.message), /BATCH_NOT_SUPPORTED/);
    return true;
  });
});
