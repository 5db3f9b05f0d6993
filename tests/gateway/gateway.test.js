// Hive Gateway in front of the server: queries and mutations over HTTP, and subscriptions, over server-sent events to the gateway
// and over a WebSocket from there to the server.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { createClient } from 'graphql-sse';

import { createRoom } from '../clients/support/author.js';
import { FOLLOW, read } from '../clients/support/reader.js';
import { startServer } from '../clients/support/server.js';
import { until } from '../clients/support/until.js';

const MODULES = fileURLToPath(new URL('node_modules', import.meta.url));
const ROOM = `query ($roomId: ID!, $roomCode: String!) {
  room(id: $roomId, code: $roomCode) { id messages(last: 10) { nodes { text deletedAt } } }
}`;
const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { author { id } } }';

/** Returns a free port. */
async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

/**
 * Starts Hive Gateway in front of the server at `url`, with the settings that docs/clients.md shows. Tries another port if another
 * program has taken the free one in between.
 */
async function startGateway(url) {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-'));
  await symlink(MODULES, join(directory, 'node_modules'));
  await writeFile(
    join(directory, 'gateway.config.js'),
    `export const gatewayConfig = {
       proxy: { endpoint: '${url}/graphql' },
       maskedErrors: false,
       transportEntries: { '*.http': { options: { subscriptions: { kind: 'ws', location: '/graphql' } } } },
     };`,
  );
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  const port = await freePort();
  const program = join(MODULES, '.bin', 'hive-gateway');
  const child = spawn(program, ['proxy', '--host', '127.0.0.1', '--port', `${port}`], { cwd: directory });
  let log = '';
  child.stdout.on('data', (data) => (log += data));
  child.stderr.on('data', (data) => (log += data));
  const ended = once(child, 'exit');
  let hasEnded = false;
  ended.then(() => (hasEnded = true));
  const gateway = {
    url: `http://127.0.0.1:${port}/graphql`,
    async graphql(query, variables) {
      const headers = { 'content-type': 'application/json', accept: 'application/json' };
      const body = JSON.stringify({ query, variables });
      return (await fetch(gateway.url, { method: 'POST', headers, body, signal: AbortSignal.timeout(60_000) })).json();
    },
    async stop() {
      child.kill('SIGKILL');
      await ended;
      await rm(directory, { recursive: true });
    },
  };
  const answers = async () => {
    if (hasEnded) throw new Error(`the gateway ended:\n${log}`);
    const answer = await gateway.graphql('{ __typename }').catch(() => undefined);
    return answer?.data?.__typename === 'Query';
  };
  // The gateway loads hundreds of modules, which takes long on a busy machine.
  for (let tries = 1; ; tries += 1) {
    try {
      await until(answers, () => log);
      return gateway;
    } catch (error) {
      if (tries < 4 && !hasEnded) continue;
      await gateway.stop();
      if (log.includes('EADDRINUSE')) return startGateway(url);
      throw error;
    }
  }
}

let server;
let gateway;

before(async () => {
  server = await startServer();
  gateway = await startGateway(server.url);
});

after(async () => {
  await gateway?.stop();
  await server?.stop();
});

test('a chat through the gateway, with events from the start and after a cursor', async () => {
  const room = await createRoom(gateway.graphql);
  const client = createClient({ url: gateway.url, retryAttempts: 0 });
  const follow = (variables, sink) => client.subscribe({ query: FOLLOW, variables }, sink);
  const reader = read(follow, { ...room.key, after: room.start });

  const first = await room.send('first');
  await room.edit(first, 'first, mended');
  const second = await room.send('second');
  await room.delete(second);
  await reader.waitForEvents(room.events);
  assert.deepEqual(reader.events, room.events);
  assert.deepEqual(reader.errors, []);
  reader.stop();

  // The same after a cursor.
  const late = read(follow, { ...room.key, after: room.events[1].cursor });
  await late.waitForEvents(room.events.slice(2));
  assert.deepEqual(late.events, room.events.slice(2));
  late.stop();
  client.dispose();

  const { data, errors } = await gateway.graphql(ROOM, room.key);
  assert.equal(errors, undefined);
  assert.deepEqual(data.room.messages.nodes.map(({ text }) => text), ['first, mended', null]);
});

test('the gateway passes on error codes', async () => {
  const room = await createRoom(gateway.graphql);
  const wrong = { ...room.key, roomCode: `${room.key.roomCode}0` };
  const codes = ({ errors }) => errors.map(({ extensions }) => extensions.code);
  assert.deepEqual(codes(await gateway.graphql(ROOM, wrong)), ['ROOM_CODE_INVALID']);
  assert.deepEqual(codes(await gateway.graphql(SEND, { input: { ...wrong, text: 'no' } })), ['ROOM_CODE_INVALID']);
  const sent = await gateway.graphql(SEND, { input: { ...room.key, text: 'yes' } });
  const userId = sent.data.sendMessage.author.id;
  const forged = { ...room.key, userId, token: '0'.repeat(32), text: 'no' };
  assert.deepEqual(codes(await gateway.graphql(SEND, { input: forged })), ['TOKEN_INVALID']);

  const client = createClient({ url: gateway.url, retryAttempts: 0 });
  const reader = read((variables, sink) => client.subscribe({ query: FOLLOW, variables }, sink), wrong);
  await reader.waitForEnd();
  assert.deepEqual(reader.errorCodes(), ['ROOM_CODE_INVALID']);
  client.dispose();
});
