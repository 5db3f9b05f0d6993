// The tests that every client must pass, over any protocol.
//
// `open(proxy)` creates a client `{ execute(query, variables), follow(variables, sink), close() }` that connects to that proxy.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get } from 'node:http';
import { before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { createRoom } from './author.js';
import { closing } from './cleanup.js';
import { openProxy } from './proxy.js';
import { read } from './reader.js';
import { startServer } from './server.js';
import { until } from './until.js';

/** Defines the tests of a client. */
export function testClient(name, openClient) {
  const open = async (proxy) => {
    const client = await openClient(proxy);
    return { ...client, close: closing(async () => client.close()) };
  };
  describe(name, () => {
    let server;
    let proxy;
    let client;
    let ending;

    before(async () => {
      server = await startServer();
      proxy = await openProxy(server.url);
      client = await open(proxy);
      // Ends while the other tests run: on a slow machine, it must not end before the client has subscribed.
      ending = followUntilEnd(open);
      ending.catch(() => {});
    });

    test('resumes after lost connections', () => resumesAfterLostConnections(server, proxy, client));
    test('does not retry after a wrong room code', () => wrongRoomCode(server, proxy, client));
    test('does not retry after an invalid cursor', () => invalidCursor(server, proxy, client));
    test('resumes after a restart of the server', () => serverRestart(open));
    test('completes when the room ends', () => roomEnd(ending));
  });
}

/** Creates, subscribes, sends, edits and deletes, with lost connections in between: every event arrives once, in order. */
async function resumesAfterLostConnections(server, proxy, client) {
  const room = await createRoom(client.execute);
  const reader = read(client.follow, { ...room.key, after: room.start });

  const first = await room.send('first');
  await room.edit(first, 'first, mended');
  const second = await room.send('second');
  await room.delete(second);
  await reader.waitForEvents(room.events);

  // The proxy refuses connections while messages are sent, and the client tries at least once.
  room.sendThrough(server.graphql);
  const before = proxy.refused;
  proxy.refuse();
  proxy.cut();
  await room.edit(first, 'first, mended again');
  const third = await room.send('third');
  await room.delete(first);
  await until(() => proxy.refused > before);
  await room.edit(third, 'third, mended');
  proxy.accept();
  await reader.waitForEvents(room.events);

  // The connection is cut again, right after one event and before the next.
  for (const text of ['fourth', 'fifth']) {
    await room.send(text);
    await reader.waitForEvents(room.events);
    proxy.cut();
    const message = await room.send(`${text} and a half`);
    await room.edit(message, `${text} and a half, mended`);
    await reader.waitForEvents(room.events);
  }

  assert.deepEqual(reader.events, room.events);
  assert.deepEqual(reader.errors, []);
  assert.equal(reader.hasEnded(), false);
  await reader.stop();
}

/**
 * The server restarts with its data: no event is missed. While it drains, it ends subscriptions one after the other, so some
 * clients reconnect while it is still stopping.
 */
async function serverRestart(open) {
  const server = await startServer({ DRAIN_SECONDS: '3' });
  const client = await open(server);
  try {
    const room = await createRoom(server.graphql);
    // A browser opens at most six connections to one server.
    const readers = Array.from({ length: 5 }, () => read(client.follow, { ...room.key, after: room.start }));
    const allReceived = () => Promise.all(readers.map((reader) => reader.waitForEvents(room.events)));
    const message = await room.send('before');
    await allReceived();
    await server.restart();
    await room.edit(message, 'after');
    await room.send('after');
    await allReceived();
    for (const reader of readers) {
      assert.deepEqual(reader.events, room.events);
      assert.equal(reader.hasEnded(), false);
      await reader.stop();
    }
  } finally {
    await client.close();
    await server.stop();
  }
}

/** Opens a room that ends soon, with a subscriber. */
async function followUntilEnd(open) {
  const server = await startServer({ ROOM_TTL: '10s' });
  const proxy = await openProxy(server.url);
  const client = await open(proxy);
  const room = await createRoom(server.graphql);
  const reader = read(client.follow, { ...room.key, after: room.start });
  await room.send('first');
  return { proxy, client, room, reader };
}

/** The end of a room completes its subscriptions, and the client does not reconnect. */
async function roomEnd(ending) {
  const { proxy, room, reader } = await ending;
  await reader.waitForEnd();
  assert.equal(reader.completed, true);
  assert.deepEqual(reader.events, room.events);
  assert.deepEqual(reader.errors, []);
  await assertNoReconnect(proxy);
}

/** A wrong room code is reported to the client, which does not retry. */
async function wrongRoomCode(server, proxy, client) {
  const room = await createRoom(server.graphql);
  await expectError(proxy, client, { ...room.key, roomCode: `${room.key.roomCode}0` }, 'ROOM_CODE_INVALID');
}

/** An invalid cursor is reported to the client, which does not retry. */
async function invalidCursor(server, proxy, client) {
  const [room, other] = [await createRoom(server.graphql), await createRoom(server.graphql)];
  await expectError(proxy, client, { ...room.key, after: other.start }, 'CURSOR_INVALID');
}

async function expectError(proxy, client, variables, code) {
  const reader = read(client.follow, variables);
  await reader.waitForEnd();
  assert.deepEqual(reader.errorCodes(), [code]);
  assert.deepEqual(reader.events, []);
  await assertNoReconnect(proxy);
  await reader.stop();
}

/** Waits longer than the reconnect delay of the tests, and asserts that no client connects. */
export async function assertNoReconnect(proxy) {
  const { accepted } = proxy;
  await sleep(300);
  // Whoever has connected before this request was accepted before it.
  const [response] = await once(get(`${proxy.url}/healthz`, { agent: false }), 'response');
  response.resume();
  assert.equal(proxy.accepted, accepted + 1, 'a client has connected again');
}
