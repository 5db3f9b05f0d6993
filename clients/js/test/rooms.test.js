// What the owner and the people of a room can do with the package.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';

import { startServer } from '../../../tests/clients/support/server.js';
import { until } from '../../../tests/clients/support/until.js';
import { intercepting, openClient, record, textsOf } from './support/client.js';

let server;

before(async () => (server = await startServer()));
after(() => server?.stop());

/** A room of Ada, with Grace in it. */
async function openRoom(t, settings) {
  const [owner, guest] = [openClient(t, server.url), openClient(t, server.url)];
  const key = await owner.createRoom(settings);
  const ada = await owner.join({ roomId: key.roomId, roomCode: key.roomCode, user: { displayName: 'Ada' } });
  const grace = await guest.join({ roomId: key.roomId, roomCode: key.roomCode, user: { displayName: 'Grace' } });
  return { owner, guest, key, ada, grace };
}

test('the settings of a room arrive with it, and their changes at once', async (t) => {
  const { owner, ada, grace, key } = await openRoom(t, { title: 'Tea', listed: true });
  assert.equal(grace.state.settings.title, 'Tea');
  assert.deepEqual([ada.state.isOwner, grace.state.isOwner], [true, false]);
  const { nodes } = await owner.activeRooms();
  assert.equal(nodes.find(({ id }) => id === key.roomId).title, 'Tea');
  const settings = await ada.owner.update({ title: 'Coffee', slowModeSeconds: 1 });
  assert.deepEqual([settings.title, settings.slowModeSeconds], ['Coffee', 1]);
  await until(() => grace.state.settings.title === 'Coffee');
  await assert.rejects(grace.owner.update({ title: 'Mine' }), { code: 'OWNER_TOKEN_INVALID' });
});

test('in a locked room, only the owner can write', async (t) => {
  const { ada, grace } = await openRoom(t);
  await ada.owner.update({ locked: true });
  await assert.rejects(grace.send('hello?'), { code: 'ROOM_LOCKED' });
  assert.equal(grace.state.messages[0].status, 'failed');
  const message = await ada.send('quiet, please');
  assert.equal(message.authorRole, 'OWNER');
});

test('in slow mode, a message waits until it may be sent', async (t) => {
  // Long enough for a slow machine to try the second message before.
  const { grace } = await openRoom(t, { slowModeSeconds: 5 });
  const codes = new Set();
  grace.addEventListener('change', () => grace.state.messages.forEach(({ error }) => error && codes.add(error.code)));
  await Promise.all([grace.send('one'), grace.send('two')]);
  assert.deepEqual([...codes], ['SLOW_MODE']);
  assert.deepEqual(textsOf(grace), ['one', 'two']);
});

test('a banned user is told, can read, and can write again once the ban is lifted', async (t) => {
  const { ada, grace } = await openRoom(t);
  const message = await grace.send('nonsense');
  const ban = await ada.owner.ban(grace.state.user.id, { reason: 'nonsense', seconds: 600, removeMessages: true });
  assert.equal(ban.user.displayName, 'Grace');
  await until(() => grace.state.ban?.reason === 'nonsense');
  await until(() => textsOf(grace)[0] === null);
  await assert.rejects(grace.send('again'), ({ code, until }) => code === 'USER_BANNED' && until === ban.until);
  await ada.send('better now');
  await until(() => textsOf(grace).includes('better now'));
  const bans = await ada.owner.bans();
  assert.deepEqual(bans.nodes.map(({ user }) => user.id), [message.author.id]);
  await ada.owner.unban(message.author.id);
  await until(() => grace.state.ban === null);
  await grace.send('sorry');
});

test('the owner can remove a message, and end the room for all', async (t) => {
  const { ada, grace } = await openRoom(t);
  const reader = record(grace);
  const message = await grace.send('nonsense');
  const removed = await ada.remove(message.id);
  assert.equal(removed.deletedBy, 'OWNER');
  await until(() => reader.events.length === 2);
  await ada.owner.end();
  await reader.over;
  assert.deepEqual(reader.events.map(({ __typename }) => __typename), ['MessageSent', 'MessageDeleted', 'RoomEnded']);
  assert.equal(grace.state.connection, 'ended');
  await until(() => ada.state.connection === 'ended');
});

test('reactions are counted, and one can be taken back', async (t) => {
  const { ada, grace } = await openRoom(t);
  const message = await ada.send('cake?');
  await until(() => grace.state.messages.length === 1);
  const mine = await grace.react(message.id, '🎂');
  assert.deepEqual([mine.reactions, mine.myReactions], [[{ emoji: '🎂', count: 1 }], ['🎂']]);
  await ada.react(message.id, '🎂');
  for (const room of [ada, grace]) await until(() => room.state.messages[0].reactions[0]?.count === 2);
  await grace.unreact(message.id, '🎂');
  await until(() => ada.state.messages[0].reactions[0].count === 1);
  assert.deepEqual([ada.state.messages[0].myReactions, grace.state.messages[0].myReactions], [['🎂'], []]);
});

test('a reply names its message, which can be found', async (t) => {
  const { guest, key, ada, grace } = await openRoom(t);
  const question = await ada.send('cake?');
  const answer = await grace.reply(question.id, 'yes');
  assert.equal(answer.replyToId, question.id);
  for (let number = 0; number < 50; number += 1) await ada.send(String(number));
  const late = await guest.join({ roomId: key.roomId, roomCode: key.roomCode });
  assert.ok(!textsOf(late).includes('cake?'));
  assert.equal((await late.find(question.id)).text, 'cake?');
});

test('people see who is here and who is typing', async (t) => {
  const { ada, grace } = await openRoom(t);
  const names = (room) => room.state.people.map(({ user }) => user.displayName).sort();
  for (const room of [ada, grace]) await until(() => names(room).length === 2);
  assert.deepEqual(names(ada), ['Ada', 'Grace']);
  assert.equal(ada.state.userCount, 2);
  await until(() => grace.state.connection === 'live');
  // Typing is shown for some seconds only.
  const typists = new Set();
  ada.addEventListener('change', () => ada.state.typing.forEach(({ displayName }) => typists.add(displayName)));
  grace.typing();
  await until(() => typists.size > 0);
  assert.deepEqual([...typists], ['Grace']);
  assert.deepEqual(grace.state.typing, []);
  await grace.send('done');
  await until(() => ada.state.typing.length === 0);
});

test('a user for whom the site vouches acts with its identity, and can own a room by its role', async (t) => {
  const secret = 's'.repeat(32);
  const own = await startServer({ IDENTITY: 'optional', IDENTITY_SECRET: secret });
  t.after(() => own.stop());
  const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const sign = (claims) => {
    const content = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode({ exp: Math.floor(Date.now() / 1000) + 600, ...claims })}`;
    return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
  };
  const key = await openClient(t, own.url).createRoom();
  const { roomId, roomCode } = key;
  let calls = 0;
  const identity = () => {
    calls += 1;
    return sign({ sub: 'ada', name: 'Ada', room: roomId, role: 'owner' });
  };
  const ada = await openClient(t, own.url).join({ roomId, roomCode, identity });
  const grace = await openClient(t, own.url).join({ roomId, roomCode, identity: sign({ sub: 'grace', name: 'Grace' }) });
  const [message, other] = await Promise.all([ada.send('one'), ada.send('two')]);
  assert.deepEqual([message.author.id, message.author.isVerified, other.authorRole], ['@ada', true, 'OWNER']);
  assert.ok(calls > 1);
  const answer = await grace.send('three');
  assert.deepEqual([answer.author.id, answer.authorRole], ['@grace', 'MEMBER']);
  assert.equal((await ada.owner.update({ title: 'Ours' })).title, 'Ours');
  await assert.rejects(grace.owner.update({ title: 'Mine' }), { name: 'LiveChatError' });
  await until(() => ada.state.people.length === 2);
  await assert.rejects(openClient(t, own.url).join({ roomId, roomCode, identity: 'no token' }), { code: 'IDENTITY_INVALID' });
});

test('a user can choose its name before others see it', async (t) => {
  const { key, ada } = await openRoom(t);
  const { roomId, roomCode } = key;
  const joan = await openClient(t, server.url).join({ roomId, roomCode, isVisible: false });
  joan.setName('Joan');
  assert.deepEqual([joan.state.user.displayName, joan.state.user.isKnown], ['Joan', false]);
  await joan.appear();
  assert.ok(joan.state.user.isKnown);
  await until(() => ada.state.people.some(({ user }) => user.displayName === 'Joan'));
  const message = await ada.send('cake?');
  assert.deepEqual((await joan.react(message.id, '🎂')).myReactions, ['🎂'], 'who has appeared can react');
});

test('a banned user finds out when it appears, and still sees who is here', async (t) => {
  const { guest, key, ada, grace } = await openRoom(t);
  await until(() => ada.state.people.length === 2);
  await ada.owner.ban(grace.state.user.id, { seconds: 600 });
  grace.leave();
  const room = await guest.join({ roomId: key.roomId, roomCode: key.roomCode, isVisible: false });
  await assert.rejects(room.appear(), ({ code, until }) => code === 'USER_BANNED' && Date.parse(until) > 0);
  await until(() => room.state.people.map(({ user }) => user.displayName).join() === 'Ada');
});

test('an edit that waits for the network can be given up', async (t) => {
  const { key, ada } = await openRoom(t);
  const message = await ada.send('cake');
  let tries = 0;
  const failing = intercepting((body, proceed) => (/editMessage/.test(body.query) ? Promise.reject(new Error(`try ${(tries += 1)}`)) : proceed()));
  const joan = await openClient(t, server.url, { fetch: failing }).join({ roomId: key.roomId, roomCode: key.roomCode });
  const waiting = new AbortController();
  const edited = joan.edit(message.id, 'pie', { signal: waiting.signal });
  await until(() => tries > 1);
  waiting.abort();
  await assert.rejects(edited, { code: 'LEFT' });
});

test('while a room cannot be read, its state tells why; other operations can be executed, too', async (t) => {
  const { key, owner } = await openRoom(t);
  let isBroken = true;
  const fetchOnceMended = intercepting((body, proceed) => (isBroken ? Promise.reject(new Error('broken')) : proceed()));
  const room = openClient(t, server.url, { fetch: fetchOnceMended }).room({ roomId: key.roomId, roomCode: key.roomCode });
  await until(() => room.state.error?.code === 'NETWORK');
  assert.equal(room.state.connection, 'connecting');
  isBroken = false;
  await room.joined;
  const data = await owner.request('query ($id: ID!, $code: String!) { room(id: $id, code: $code) { cursor } }', { id: key.roomId, code: key.roomCode });
  assert.equal(data.room.cursor, room.state.cursor);
});
