// What every client must come through, whatever it is and whatever it speaks.
//
// A client is `{ execute(query, variables), follow(variables, sink) }`; both go through the line that can be cut.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

import { createRoom } from './author.js';
import { openProxy } from './proxy.js';
import { read } from './reader.js';
import { startServer } from './server.js';
import { until } from './until.js';

/** Create, subscribe, send, edit, delete; lose the connection, resume: every event came once, in order. */
export async function wholeRound(server, line, client) {
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

/** A room that ends completes its subscriptions, and nobody comes back for it. */
export async function roomThatEnds(open) {
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
export async function wrongCode(server, line, client) {
  const room = await createRoom(server.graphql);
  await refused(line, client, { ...room.place, roomCode: `${room.place.roomCode}0` }, 'ROOM_CODE_INVALID');
}

/** A cursor that cannot be honoured is told to the client, which does not try it again. */
export async function wrongCursor(server, line, client) {
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
