// The stock `graphql-ws` client: a complete round over one socket, a server that restarts, and close codes.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createRoom } from './support/author.js';
import { openProxy } from './support/proxy.js';
import { FOLLOW, read } from './support/reader.js';
import { once, openWs } from './support/resume.js';
import { nobodyComes, testClient } from './support/round.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

let server;
let line;

before(async () => {
  server = await startServer();
  line = await openProxy(server.url);
});

after(async () => {
  await line?.close();
  await server?.stop();
});

function open({ url }, options) {
  const client = openWs(url, options);
  return {
    execute: (query, variables) => once((sink) => client.subscribe({ query, variables }, sink)),
    follow: (variables, sink) => client.subscribe({ query: FOLLOW, variables }, sink),
    close: () => client.dispose(),
  };
}

/** Opens a client that is closed after the test. */
function openFor(t, line, options) {
  const client = open(line, options);
  t.after(client.close);
  return client;
}

testClient('graphql-ws', open);

test('many subscriptions on one socket resume, each at its cursor', async (t) => {
  const client = openFor(t, line);
  const rooms = await Promise.all(Array.from({ length: 3 }, () => createRoom(server.graphql)));
  const readers = rooms.map((room) => read(client.follow, { ...room.place, after: room.start }));
  const allCaughtUp = () => Promise.all(readers.map((reader, n) => reader.caughtUp(rooms[n].story)));
  // They have 1, 2 and 3 messages.
  for (const [n, room] of rooms.entries()) for (let i = 0; i <= n; i += 1) await room.send(`${i}`);
  await allCaughtUp();
  line.cut();
  for (const room of rooms) await room.send('after the cut');
  await allCaughtUp();
  readers.forEach((reader, n) => assert.deepEqual(reader.story, rooms[n].story));
  readers.forEach((reader) => reader.stop());
});

test('a subscription that its client ended is not resumed', async (t) => {
  const inits = [];
  const client = openFor(t, line, { on: { opened: (socket) => recordInits(socket, inits) } });
  const room = await createRoom(server.graphql);
  const [one, other] = [1, 2].map(() => read(client.follow, { ...room.place, after: room.start }));
  await room.send('to both');
  await Promise.all([one, other].map((reader) => reader.caughtUp(room.story)));
  await one.stop();
  line.cut();
  await room.send('to one');
  await other.caughtUp(room.story);
  assert.deepEqual(inits.map(({ resume }) => Object.keys(resume).length), [0, 1]);
  await other.stop();
});

/** Records the payload of each `connection_init`. */
function recordInits(socket, inits) {
  const send = socket.send.bind(socket);
  socket.send = (text) => {
    const { type, payload } = JSON.parse(text);
    if (type === 'connection_init') inits.push(payload);
    send(text);
  };
}

test('a wrong cursor in resume is rejected', async (t) => {
  const [room, other] = [await createRoom(server.graphql), await createRoom(server.graphql)];
  const connectionParams = { resume: { mine: other.start } };
  const client = openFor(t, line, { connectionParams, generateID: () => 'mine' });
  const reader = read(client.follow, { ...room.place, after: room.start });
  await reader.over();
  assert.deepEqual(reader.errors.map(({ extensions }) => extensions.code), ['CURSOR_INVALID']);
  await nobodyComes(line);
});

test('a server that stops closes with 1012, after which the client reconnects', async (t) => {
  const restarted = await startServer();
  const codes = [];
  const client = open(restarted, { on: { closed: ({ code }) => codes.push(code) } });
  t.after(async () => {
    await client.close();
    await restarted.stop();
  });
  const room = await createRoom(restarted.graphql);
  const reader = read(client.follow, { ...room.place, after: room.start });
  await room.send('before');
  await reader.caughtUp(room.story);
  await restarted.restart();
  await room.send('after');
  await reader.caughtUp(room.story);
  assert.deepEqual(reader.story, room.story);
  assert.equal(codes[0], 1012);
});

for (const [code, violation, options] of [
  [4400, 'nonsense', { on: { connected: (socket) => socket.send('nonsense') } }],
  [4409, 'two operations with one id', { generateID: () => 'the same' }],
  [4429, 'a second connection_init', { on: { connected: (socket) => socket.send('{"type":"connection_init"}') } }],
]) {
  test(`a client that sends ${violation} is closed with ${code} and does not reconnect`, async (t) => {
    const client = openFor(t, line, options);
    const room = await createRoom(server.graphql);
    const readers = [1, 2].map(() => read(client.follow, { ...room.place, after: room.start }));
    await until(() => readers.every((reader) => reader.failure), () => JSON.stringify(readers));
    readers.forEach((reader) => assert.equal(reader.failure.code, code));
    await nobodyComes(line);
  });
}
