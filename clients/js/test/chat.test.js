// The package in Node.js: what the scenarios, which run in browsers as well, do not show.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, test } from 'node:test';

import { openProxy } from '../../../tests/clients/support/proxy.js';
import { startServer } from '../../../tests/clients/support/server.js';
import { until } from '../../../tests/clients/support/until.js';
import { intercepting, openClient, record, refusal, textsOf, TRANSPORTS } from './support/client.js';

let server;

before(async () => (server = await startServer()));
after(() => server?.stop());

for (const [transport, WebSocket] of Object.entries(TRANSPORTS)) {
  describe(`over ${transport}`, { concurrency: true }, () => {
    /** Joins a new room with two clients: one through `url`, and one that has its own connection. */
    async function openRoom(t, url, options) {
      const chat = openClient(t, url, { WebSocket, ...options });
      const other = openClient(t, server.url, { WebSocket });
      const key = await other.createRoom();
      const [ada, grace] = await Promise.all([chat.join({ ...key, user: { displayName: 'Ada' } }), other.join({ ...key, user: { displayName: 'Grace' } })]);
      return { key, chat, ada, grace };
    }

    test('a state stays the same until the next change, and then is another one', async (t) => {
      const { ada } = await openRoom(t, server.url);
      await until(() => ada.state.connection === 'live');
      const before = ada.state;
      assert.equal(ada.state, before);
      const sent = ada.send('Hello');
      assert.deepEqual(ada.state.messages.map(({ text, status }) => [text, status]), [['Hello', 'sending']]);
      await sent;
      assert.notEqual(ada.state, before);
      assert.deepEqual(before.messages, []);
    });

    test('earlier messages are loaded page by page', async (t) => {
      const { grace, key } = await openRoom(t, server.url);
      for (let number = 0; number < 120; number += 1) await grace.send(String(number));
      const room = await openClient(t, server.url, { WebSocket }).join(key);
      assert.deepEqual([room.state.messages.length, room.state.hasEarlier], [50, true]);
      assert.equal(await room.loadEarlier(), true);
      assert.equal(await room.loadEarlier(), false);
      assert.deepEqual(textsOf(room), Array.from({ length: 120 }, (_, number) => String(number)));
    });

    test('after a lost connection, the room has missed nothing', async (t) => {
      const proxy = await openProxy(server.url);
      t.after(() => proxy.close());
      const { ada, grace } = await openRoom(t, proxy.url);
      const reader = record(ada);
      const first = await grace.send('first');
      await until(() => reader.events.length === 1);
      proxy.refuse();
      proxy.cut();
      await until(() => ada.state.connection === 'lost');
      await grace.edit(first.id, 'first, mended');
      await grace.send('second');
      await grace.remove(first.id);
      proxy.accept();
      await until(() => reader.events.length === 4);
      assert.deepEqual(textsOf(ada), [null, 'second']);
      await until(() => ada.state.connection === 'live');
    });

    test('a connection that is silent without being closed is noticed and replaced', async (t) => {
      const proxy = await openProxy(server.url);
      t.after(() => proxy.close());
      const { ada, grace } = await openRoom(t, proxy.url, { timing: { ping: 500, pong: 2_000, silence: 2_000 } });
      await until(() => ada.state.connection === 'live');
      proxy.stall();
      await grace.send('missed');
      await until(() => ada.state.connection === 'lost');
      proxy.resume();
      await until(() => textsOf(ada).includes('missed'));
    });

    test('when the server has lost its last writes, the room is read again', async (t) => {
      const own = await startServer();
      t.after(() => own.stop());
      const chat = openClient(t, own.url, { WebSocket });
      const room = await chat.join(await chat.createRoom());
      const reader = record(room);
      await room.send('kept');
      const restore = await own.backUp();
      await room.send('lost');
      await until(() => reader.events.length === 2);
      await restore();
      await until(() => reader.events.length === 3);
      assert.equal(reader.events[2].__typename, 'RoomReloaded');
      assert.deepEqual(textsOf(room), ['kept']);
      await room.send('new');
      await until(() => reader.events.length === 4);
      assert.deepEqual(textsOf(room), ['kept', 'new']);
    });

    test('a program ends once it has left its rooms', async (t) => {
      const { key } = await openRoom(t, server.url);
      const code = `
        import { openClient, TRANSPORTS } from '${new URL('support/client.js', import.meta.url)}';
        const WebSocket = TRANSPORTS['${transport}'];
        const chat = openClient({ after() {} }, '${server.url}', { WebSocket });
        const room = await chat.join(${JSON.stringify(key)});
        await room.send('from a program');
        room.leave();
        console.log(room.state.connection);`;
      const output = await new Promise((resolve, reject) => {
        execFile(process.execPath, ['--input-type=module', '-e', code], { timeout: 60_000 }, (error, stdout) => (error ? reject(error) : resolve(stdout)));
      });
      assert.equal(output.trim(), 'closed');
    });
  });
}

test('when the room ends, its iterators end, and what was not sent has failed', async (t) => {
  // Long enough for a slow machine to write the last words.
  const own = await startServer({ ROOM_TTL: '12s' });
  t.after(() => own.stop());
  const runs = Object.entries(TRANSPORTS).map(async ([transport, WebSocket]) => {
    const chat = openClient(t, own.url, { WebSocket });
    const room = await chat.join(await chat.createRoom());
    const reader = record(room);
    await room.send('last words');
    await reader.over;
    assert.equal(room.state.connection, 'ended', transport);
    assert.deepEqual(reader.texts(), ['last words'], transport);
    assert.deepEqual(textsOf(room), ['last words'], transport);
    await assert.rejects(room.send('too late'), { code: 'ROOM_NOT_FOUND' }, transport);
    await assert.rejects(chat.join({ roomId: room.state.roomId, roomCode: 'x' }), { code: 'ROOM_NOT_FOUND' }, transport);
  });
  await Promise.all(runs);
});

test('a wrong room code is refused, and not tried again', async (t) => {
  const chat = openClient(t, server.url);
  const { roomId } = await chat.createRoom();
  const room = chat.room({ roomId, roomCode: 'wrong' });
  await assert.rejects(room.joined, { name: 'LiveChatError', code: 'ROOM_CODE_INVALID' });
  assert.equal(room.state.connection, 'closed');
  assert.equal(room.state.error.code, 'ROOM_CODE_INVALID');
});

test('a refused message fails, and can be sent again or discarded', async (t) => {
  let isFull = true;
  const chat = openClient(t, server.url, {
    fetch: intercepting((body, proceed) => (isFull && body.query.includes('sendMessage') ? refusal('ROOM_FULL') : proceed())),
  });
  const room = await chat.join(await chat.createRoom());
  await assert.rejects(room.send('first'), { code: 'ROOM_FULL' });
  await assert.rejects(room.send('second'), { code: 'ROOM_FULL' });
  const [first, second] = room.state.messages;
  assert.deepEqual([first.status, first.error.code, second.status], ['failed', 'ROOM_FULL', 'failed']);
  isFull = false;
  room.discard(first.id);
  room.retry(second.id);
  await until(() => room.state.messages.length === 1 && room.state.messages[0].status === 'sent');
  assert.deepEqual(textsOf(room), ['second']);
});

test('when the response with the next token is lost, the action is repeated, and the user goes on', async (t) => {
  const lost = new Set();
  const chat = openClient(t, server.url, {
    fetch: intercepting(async (body, proceed) => {
      const response = await proceed();
      if (!/^mutation.*(send|edit|delete)Message/.test(body.query) || lost.has(body.query)) return response;
      lost.add(body.query);
      throw new TypeError('the connection was reset');
    }),
  });
  const room = await chat.join({ ...(await chat.createRoom()), isVisible: false });
  const reader = record(room);
  const message = await room.send('once');
  await room.edit(message.id, 'mended');
  await room.send('and again');
  await room.remove(message.id);
  await until(() => reader.events.some(({ __typename }) => __typename === 'MessageDeleted'));
  assert.deepEqual(textsOf(room), [null, 'and again']);
  assert.equal(lost.size, 3);
  assert.equal(reader.events.filter(({ __typename }) => __typename === 'MessageSent').length, 2);
  assert.equal(new Set(reader.events.map(({ message: { author } }) => author.id)).size, 1);
});

test('a client that comes back is the same user', async (t) => {
  const values = new Map();
  const storage = { getItem: (key) => values.get(key) ?? null, setItem: (key, value) => values.set(key, value) };
  const key = await openClient(t, server.url).createRoom();
  const authors = [];
  for (let visit = 0; visit < 2; visit += 1) {
    const room = await openClient(t, server.url, { storage }).join(key);
    authors.push((await room.send(`visit ${visit}`)).author.id);
    room.leave();
  }
  assert.equal(authors[0], authors[1]);
});

test('leaving gives up what is not sent, and ends the iterators', async (t) => {
  const chat = openClient(t, server.url, {
    fetch: intercepting((body, proceed) => (body.query.includes('sendMessage') ? refusal('UNAVAILABLE') : proceed())),
  });
  const room = await chat.join(await chat.createRoom());
  const reader = record(room);
  const sent = room.send('never');
  room.leave();
  await assert.rejects(sent, { code: 'LEFT' });
  await reader.over;
  assert.equal(room.state.connection, 'closed');
  assert.equal(room.state.error, null);
});

test('where WebSockets are blocked, server-sent events are used', async (t) => {
  const proxy = await openProxy(server.url);
  t.after(() => proxy.close());
  proxy.refuseSockets('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
  const chat = openClient(t, proxy.url);
  const room = await chat.join(await chat.createRoom());
  const reader = record(room);
  await room.send('over events');
  await until(() => room.state.connection === 'live');
  await until(() => reader.events.length === 1);
  assert.ok(proxy.refused >= 2);
});
