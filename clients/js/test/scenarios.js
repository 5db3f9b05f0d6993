// The scenarios that every client must pass: in Node.js, in Chromium and in Firefox. clients/scenarios.json has their names, and
// the Rust client runs the same.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { openProxy } from '../../../tests/clients/support/proxy.js';
import { startServer } from '../../../tests/clients/support/server.js';
import { until } from '../../../tests/clients/support/until.js';
import { openClient, QUICK, record } from './support/client.js';
import { Device } from './support/device.js';

/**
 * How long a process is frozen, in seconds. Two minutes would be too long for a test that runs often, so the time limits of server
 * and client are shorter there. `npm run frozen` freezes for two minutes, with the limits that users have.
 */
const FROZEN_SECONDS = Number(process.env.FROZEN_SECONDS ?? 4);
const isShortened = FROZEN_SECONDS < 120;

/** Time limits of the frozen client, all of which are over when it goes on. */
const SHORT_LIMITS = { ...QUICK, ping: 500, pong: 1_000, silence: 2_000, request: 3_000, check: 1_000 };

const count = (length, text) => Array.from({ length }, (_, number) => `${text} ${number}`);

/** A new room, and a witness in it: a client with an own connection that is never cut. */
async function openRoom(t, server) {
  const client = openClient(t, server.url);
  const { roomId, roomCode } = await client.createRoom();
  const witness = await client.join({ roomId, roomCode, user: { displayName: 'Grace' }, isVisible: false });
  await until(() => witness.state.connection === 'live');
  return { key: { roomId, roomCode }, witness, truth: record(witness) };
}

async function startOwn(t, settings) {
  const server = await startServer(settings);
  t.after(() => server.stop());
  return server;
}

async function proxyTo(t, server) {
  const proxy = await openProxy(server.url);
  t.after(() => proxy.close());
  return proxy;
}

const live = (room) => until(async () => (await room.state()).connection === 'live');

/** Waits until the room has the events of the witness, each once and in order. */
async function assertSameEvents(room, truth, length) {
  await until(() => truth.events.length >= length, () => `${truth.events.length} of ${length} events`);
  let received;
  const isComplete = async () => (received = await room.cursors()).length >= truth.events.length;
  await until(isComplete, () => `received ${received.length} of ${length}`);
  assert.deepEqual(received, truth.events.map(({ cursor }) => cursor));
  assert.equal(truth.events.length, length);
}

const SCENARIOS = {
  async 'first chat'(t, { driver, server }) {
    const device = await Device.open(t, driver, server.url);
    const { command, join } = await device.openClient();
    const { roomId, roomCode } = await command('createRoom', { title: 'Tea' });
    const ada = await join({ roomId, roomCode, user: { displayName: 'Ada' } });
    const grace = await openClient(t, server.url).join({ roomId, roomCode, user: { displayName: 'Grace' } });
    const truth = record(grace);
    await until(() => grace.state.connection === 'live');
    await live(ada);

    const hello = await ada.send('Hello');
    assert.equal(hello.author.displayName, 'Ada');
    await until(() => grace.state.messages.length === 1);
    await grace.reply(hello.id, 'Hi');
    await ada.call('edit', hello.id, 'Hello, all');
    await ada.call('react', hello.id, '👍');
    const last = await ada.send('nonsense');
    await ada.call('remove', last.id);
    await assertSameEvents(ada, truth, 6);
    const { messages, settings, isOwner } = await ada.state();
    assert.deepEqual(messages.map(({ text }) => text), ['Hello, all', 'Hi', null]);
    assert.equal(messages[1].replyToId, hello.id);
    assert.deepEqual([messages[0].reactions, messages[0].myReactions], [[{ emoji: '👍', count: 1 }], ['👍']]);
    const ofAll = (list) => list.map(({ myReactions, ...message }) => message);
    assert.deepEqual(ofAll(messages), ofAll(grace.state.messages));
    assert.deepEqual([settings.title, isOwner], ['Tea', true]);
    await until(async () => (await ada.state()).people.length === 2);
  },

  async 'resume after cuts'(t, { driver, server }) {
    const proxy = await proxyTo(t, server);
    const { key, witness, truth } = await openRoom(t, server);
    const room = await (await Device.open(t, driver, proxy.url)).join(key);
    const cuts = 5;
    const sends = [];
    for (let number = 0; number < cuts; number += 1) {
      await live(room);
      sends.push(room.send(`mine ${number}`), witness.send(`other ${number}`));
      await sleep(20 * Math.random());
      proxy.cut();
      await witness.send(`missed ${number}`);
    }
    await Promise.all(sends);
    await assertSameEvents(room, truth, 3 * cuts);
    const texts = truth.texts();
    for (const kind of ['mine', 'other', 'missed']) assert.deepEqual(texts.filter((text) => text.startsWith(kind)), count(cuts, kind));
    assert.deepEqual(await room.texts(), texts);
  },

  async 'server restart'(t, { driver }) {
    const server = await startOwn(t);
    const { key, witness, truth } = await openRoom(t, server);
    const room = await (await Device.open(t, driver, server.url)).join(key);
    await live(room);
    await room.send('before');
    const restarted = server.restart();
    const sent = [room.send('during'), witness.send('during, too')];
    await restarted;
    await Promise.all(sent);
    await room.send('after');
    await assertSameEvents(room, truth, 4);
    assert.deepEqual((await room.texts()).sort(), ['after', 'before', 'during', 'during, too']);
  },

  async 'room end'(t, { driver, server }) {
    const device = await Device.open(t, driver, server.url);
    const { command, join } = await device.openClient();
    const { roomId, roomCode } = await command('createRoom');
    const owner = await join({ roomId, roomCode });
    const guest = await openClient(t, server.url).join({ roomId, roomCode });
    const reader = record(guest);
    await live(owner);
    await until(() => guest.state.connection === 'live');
    await owner.send('last words');
    await owner.endRoom();
    await reader.over;
    await until(() => owner.isOver());
    const { connection, messages } = await owner.state();
    assert.deepEqual([connection, guest.state.connection], ['ended', 'ended']);
    assert.deepEqual(messages.map(({ text }) => text), ['last words']);
    assert.deepEqual((await owner.events()).map(({ __typename }) => __typename), ['MessageSent', 'RoomEnded']);
    await assert.rejects(owner.send('too late'), { code: 'ROOM_NOT_FOUND' });
    await assert.rejects(join({ roomId, roomCode }), { code: 'ROOM_NOT_FOUND' });
  },

  async 'rate limit'(t, { driver }) {
    // One at once and another every four seconds, so that a slow machine reaches the limit, too.
    const server = await startOwn(t, { RATE_LIMITS: 'on', RATE_SENDS_PER_USER: '15/m:1' });
    const { key, truth } = await openRoom(t, server);
    const room = await (await Device.open(t, driver, server.url)).join(key);
    await live(room);
    const texts = count(3, 'message');
    await Promise.all(texts.map((text) => room.send(text)));
    await assertSameEvents(room, truth, texts.length);
    assert.deepEqual(await room.texts(), texts);
    const progress = await room.progress();
    assert.ok(progress.includes('waiting RATE_LIMITED'), progress.join());
  },

  async 'lost token'(t, { driver, server }) {
    const proxy = await proxyTo(t, server);
    const { key, truth } = await openRoom(t, server);
    const room = await (await Device.open(t, driver, proxy.url)).join({ ...key, user: { displayName: 'Ada' } });
    await live(room);
    const first = await room.send('first');
    // An edit waits for the response with the next token. A send may be confirmed by its event before.
    await room.call('edit', first.id, 'first, mended');
    proxy.loseResponse();
    await room.call('edit', first.id, 'mended twice');
    assert.equal(proxy.lost, 1);
    const second = await room.send('second');
    assert.equal(second.author.id, first.author.id);
    await room.call('edit', second.id, 'second, mended');

    await room.loseToken();
    const third = await room.send('third');
    assert.notEqual(third.author.id, first.author.id);
    assert.equal(third.author.displayName, 'Ada');
    assert.equal((await room.state()).user.id, third.author.id);
    await until(() => truth.texts().includes('third'));
    const sent = truth.events.filter(({ __typename }) => __typename === 'MessageSent');
    assert.deepEqual(sent.map(({ message }) => message.text), ['first', 'second', 'third']);
    assert.deepEqual(await room.texts(), ['mended twice', 'second, mended', 'third']);
  },

  async 'ten tabs'(t, { driver, server }) {
    const { key, witness, truth } = await openRoom(t, server);
    const device = await Device.open(t, driver, server.url);
    const tabs = [await device.join(key)];
    await live(tabs[0]);
    await until(() => witness.state.viewerCount === 2);
    tabs.push(...(await Promise.all(Array.from({ length: 9 }, () => device.join(key)))));
    await Promise.all(tabs.map(live));
    await witness.send('to all');
    await Promise.all(tabs.map((tab, number) => tab.send(`tab ${number}`)));
    for (const tab of tabs) await assertSameEvents(tab, truth, 11);
    // The witness and the tabs: each is one viewer, and the tabs are one user.
    await until(() => witness.state.viewerCount === 2, () => `${witness.state.viewerCount} viewers`);
    assert.equal(new Set(truth.events.slice(1).map(({ message }) => message.author.id)).size, 1);

    // The first tab has the connection.
    const closing = tabs[0].close();
    await witness.send('while it closes');
    await closing;
    await tabs[1].send('after it has closed');
    for (const tab of tabs.slice(1)) await assertSameEvents(tab, truth, 13);
    await until(() => witness.state.viewerCount === 2, () => `${witness.state.viewerCount} viewers`);
  },

  async 'frozen process'(t, { driver }) {
    const server = await startOwn(t, isShortened ? { KEEP_ALIVE_INTERVAL: '1s' } : {});
    const { key, witness, truth } = await openRoom(t, server);
    const device = await Device.open(t, driver, server.url, { isFrozenLater: true, timing: isShortened ? SHORT_LIMITS : {} });
    const room = await device.join(key);
    await live(room);
    await room.send('before');
    await until(() => witness.state.viewerCount === 2);
    device.freeze();
    const missed = count(20, 'missed');
    for (const text of missed) await witness.send(text);
    await sleep(FROZEN_SECONDS * 1000);
    // The server has given it up. Only over a WebSocket, because it expects no response on a stream of events.
    if (!driver.hasStreams) await until(() => witness.state.viewerCount === 1, () => `${witness.state.viewerCount} viewers`);
    device.thaw();
    await witness.send('after');
    await room.send('back again');
    await assertSameEvents(room, truth, 23);
    assert.deepEqual((await room.texts()).slice(0, 21), ['before', ...missed]);
  },

  async 'offline sends'(t, { driver, server }) {
    const proxy = await proxyTo(t, server);
    const { key, witness, truth } = await openRoom(t, server);
    const room = await (await Device.open(t, driver, proxy.url)).join(key);
    await live(room);
    proxy.refuse();
    proxy.cut();
    const texts = count(3, 'offline');
    const sent = Promise.all(texts.map((text) => room.send(text)));
    await until(async () => (await room.state()).messages[0]?.status === 'waiting');
    assert.deepEqual(await room.texts(), texts);
    assert.equal((await room.state()).messages[0].error.code, 'NETWORK');
    await witness.send('meanwhile');
    proxy.accept();
    await sent;
    await assertSameEvents(room, truth, 4);
    assert.deepEqual(await room.texts(), ['meanwhile', ...texts]);
    assert.deepEqual(truth.texts(), ['meanwhile', ...texts]);
  },
};

/** Runs all scenarios with a driver, which support/device.js describes. */
export function runScenarios(driver) {
  describe(`in ${driver.name}`, { concurrency: 3 }, () => {
    const context = { driver };
    before(async () => {
      const { names } = JSON.parse(await readFile(new URL('../../scenarios.json', import.meta.url), 'utf8'));
      assert.deepEqual(Object.keys(SCENARIOS), names);
      [context.server] = await Promise.all([startServer(), driver.open()]);
    });
    after(() => Promise.all([driver.close(), context.server?.stop()]));
    for (const [name, run] of Object.entries(SCENARIOS)) test(name, (t) => run(t, context));
  });
}
