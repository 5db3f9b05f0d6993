// The stock `graphql-ws` client: a complete round over one socket, a server that restarts, and close codes.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createRoom } from './support/author.js';
import { openProxy } from './support/proxy.js';
import { FOLLOW, read } from './support/reader.js';
import { once, openWs } from './support/resume.js';
import { assertNoReconnect, testClient } from './support/round.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

let server;
let proxy;

before(async () => {
  server = await startServer();
  proxy = await openProxy(server.url);
});

after(async () => {
  await proxy?.close();
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
function openFor(t, proxy, options) {
  const client = open(proxy, options);
  t.after(client.close);
  return client;
}

testClient('graphql-ws', open);

test('many subscriptions on one socket resume, each at its cursor', async (t) => {
  const client = openFor(t, proxy);
  const rooms = await Promise.all(Array.from({ length: 3 }, () => createRoom(server.graphql)));
  const readers = rooms.map((room) => read(client.follow, { ...room.key, after: room.start }));
  const allReceived = () => Promise.all(readers.map((reader, n) => reader.waitForEvents(rooms[n].events)));
  // The rooms get 1, 2 and 3 messages.
  for (const [n, room] of rooms.entries()) for (let i = 0; i <= n; i += 1) await room.send(`${i}`);
  await allReceived();
  proxy.cut();
  for (const room of rooms) await room.send('after the cut');
  await allReceived();
  readers.forEach((reader, n) => assert.deepEqual(reader.events, rooms[n].events));
  readers.forEach((reader) => reader.stop());
});

test('a subscription that its client ended is not resumed', async (t) => {
  const inits = [];
  const client = openFor(t, proxy, { on: { opened: (socket) => recordInits(socket, inits) } });
  const room = await createRoom(server.graphql);
  const [one, other] = [1, 2].map(() => read(client.follow, { ...room.key, after: room.start }));
  await room.send('to both');
  await Promise.all([one, other].map((reader) => reader.waitForEvents(room.events)));
  await one.stop();
  proxy.cut();
  await room.send('to one');
  await other.waitForEvents(room.events);
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
  const client = openFor(t, proxy, { connectionParams, generateID: () => 'mine' });
  const reader = read(client.follow, { ...room.key, after: room.start });
  await reader.waitForEnd();
  assert.deepEqual(reader.errorCodes(), ['CURSOR_INVALID']);
  await assertNoReconnect(proxy);
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
  const reader = read(client.follow, { ...room.key, after: room.start });
  await room.send('before');
  await reader.waitForEvents(room.events);
  await restarted.restart();
  await room.send('after');
  await reader.waitForEvents(room.events);
  assert.deepEqual(reader.events, room.events);
  assert.equal(codes[0], 1012);
});

for (const [code, violation, options] of [
  [4400, 'nonsense', { on: { connected: (socket) => socket.send('nonsense') } }],
  [4409, 'two operations with one id', { generateID: () => 'the same' }],
  [4429, 'a second connection_init', { on: { connected: (socket) => socket.send('{"type":"connection_init"}') } }],
]) {
  test(`a client that sends ${violation} is closed with ${code} and does not reconnect`, async (t) => {
    const client = openFor(t, proxy, options);
    const room = await createRoom(server.graphql);
    const readers = [1, 2].map(() => read(client.follow, { ...room.key, after: room.start }));
    await until(() => readers.every((reader) => reader.failure), () => JSON.stringify(readers));
    readers.forEach((reader) => assert.equal(reader.failure.code, code));
    await assertNoReconnect(proxy);
  });
}
