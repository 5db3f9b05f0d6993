// What every client must come through, whatever it is and whatever it speaks.
//
// `open(line)` gives a client: `{ execute(query, variables), follow(variables, sink), close() }`, all over that line.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { createRoom } from './author.js';
import { openProxy } from './proxy.js';
import { read } from './reader.js';
import { startServer } from './server.js';
import { until } from './until.js';

/** Tests a client in everything it must come through. */
export function testClient(name, open) {
  describe(name, () => {
    let server;
    let line;
    let client;

    before(async () => {
      server = await startServer();
      line = await openProxy(server.url);
      client = await open(line);
    });

    after(async () => {
      await client?.close();
      await line?.close();
      await server?.stop();
    });

    test('the whole round', () => wholeRound(server, line, client));
    test('a wrong room code', () => wrongCode(server, line, client));
    test('a wrong cursor', () => wrongCursor(server, line, client));
    test('a server that restarts', () => serverThatRestarts(open));
    test('a room that ends', () => roomThatEnds(open));
  });
}

/** Create, subscribe, send, edit, delete; lose the connection, resume: every event came once, in order. */
async function wholeRound(server, line, client) {
  const room = await createRoom(client.execute);
  const reader = read(client.follow, { ...room.place, after: room.start });

  const first = await room.send('first');
  await room.edit(first, 'first, mended');
  const second = await room.send('second');
  await room.delete(second);
  await reader.caughtUp(room.story);

  // The line is down while the talk goes on, and the client comes in vain at least once.
  room.over(server.graphql);
  const before = line.refused;
  line.refuse();
  line.cut();
  await room.edit(first, 'first, mended again');
  const third = await room.send('third');
  await room.delete(first);
  await until(() => line.refused > before);
  await room.edit(third, 'third, mended');
  line.accept();
  await reader.caughtUp(room.story);

  // Cut again, at once after an event and before the next.
  for (const text of ['fourth', 'fifth']) {
    await room.send(text);
    await reader.caughtUp(room.story);
    line.cut();
    const message = await room.send(`${text} and a half`);
    await room.edit(message, `${text} and a half, mended`);
    await reader.caughtUp(room.story);
  }

  assert.deepEqual(reader.story, room.story);
  assert.deepEqual(reader.errors, []);
  assert.equal(reader.isOver(), false);
  await reader.stop();
}

/**
 * A server that stops, and is back a little later with what it had: nothing is missed. It lets its readers go one after
 * the other, so some of them come back to it while it is still stopping.
 */
async function serverThatRestarts(open) {
  const server = await startServer({ DRAIN_SECONDS: '3' });
  const client = await open(server);
  try {
    const room = await createRoom(server.graphql);
    // A browser opens at most six connections to a server at once.
    const readers = Array.from({ length: 5 }, () => read(client.follow, { ...room.place, after: room.start }));
    const allCaughtUp = () => Promise.all(readers.map((reader) => reader.caughtUp(room.story)));
    const message = await room.send('before');
    await allCaughtUp();
    await server.restart();
    await room.edit(message, 'after');
    await room.send('after');
    await allCaughtUp();
    for (const reader of readers) {
      assert.deepEqual(reader.story, room.story);
      assert.equal(reader.isOver(), false);
      await reader.stop();
    }
  } finally {
    await client.close();
    await server.stop();
  }
}

/** A room that ends completes its subscriptions, and nobody comes back for it. */
async function roomThatEnds(open) {
  const server = await startServer({ ROOM_TTL: '3s' });
  const line = await openProxy(server.url);
  const client = await open(line);
  try {
    const room = await createRoom(server.graphql);
    const reader = read(client.follow, { ...room.place, after: room.start });
    await room.send('first');
    await reader.over();
    assert.equal(reader.completed, true);
    assert.deepEqual(reader.story, room.story);
    assert.deepEqual(reader.errors, []);
    await nobodyComes(line);
  } finally {
    await client.close();
    await line.close();
    await server.stop();
  }
}

/** A wrong code is told to the client, which does not try it again. */
async function wrongCode(server, line, client) {
  const room = await createRoom(server.graphql);
  await refused(line, client, { ...room.place, roomCode: `${room.place.roomCode}0` }, 'ROOM_CODE_INVALID');
}

/** A cursor that cannot be honoured is told to the client, which does not try it again. */
async function wrongCursor(server, line, client) {
  const [room, other] = [await createRoom(server.graphql), await createRoom(server.graphql)];
  await refused(line, client, { ...room.place, after: other.start }, 'CURSOR_INVALID');
}

async function refused(line, client, variables, code) {
  const reader = read(client.follow, variables);
  await reader.over();
  assert.deepEqual(reader.errors.map(({ extensions }) => extensions.code), [code]);
  assert.deepEqual(reader.story, []);
  await nobodyComes(line);
  await reader.stop();
}

/** For longer than clients in these tests wait before they come again, nobody comes. */
export async function nobodyComes(line) {
  const lines = line.lines;
  await sleep(300);
  assert.equal(line.lines, lines, 'somebody came again');
}
