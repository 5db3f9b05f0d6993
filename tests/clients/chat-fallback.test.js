// The chat page below a base path, and in networks that block WebSockets.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createRoom } from './support/author.js';
import { fragmentOf, useChat, withoutWebSockets } from './support/chat_fixture.js';
import { openProxy } from './support/proxy.js';
import { startServer } from './support/server.js';
import { openTlsProxy } from './support/tls.js';

const chats = useChat();

test('below a base path and behind TLS, the page uses a WebSocket', async () => {
  const server = await startServer({ BASE_PATH: '/some/chat' });
  const proxy = await openTlsProxy(server.url);
  const chat = await chats.open({ url: proxy.url, ignoreHTTPSErrors: true });
  await chat.createRoom();
  await chat.send('hello');
  await chat.waitForTexts('hello');
  assert.deepEqual(chat.sockets.map((socket) => socket.url()), [`${proxy.url.replace('https', 'wss')}/graphql`]);
  assert.equal(chat.streams.length, 0);
  await chat.close();
  await proxy.close();
  await server.stop();
});

const response = (status) => `HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`;

for (const [what, answer] of [
  ['refused', response('403 Forbidden')],
  ['answered as a bad request', response('400 Bad Request')],
  ['answered like ordinary requests', 'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi'],
  ['never answered', 'nothing'],
]) {
  test(`if WebSockets are ${what}, the page uses server-sent events`, async () => {
    const proxy = await openProxy(chats.server.url);
    proxy.refuseSockets(answer);
    const room = await createRoom(chats.server.graphql);
    const chat = await chats.open({ url: proxy.url, fragment: fragmentOf(room) });
    await room.send('sent meanwhile');
    await chat.waitUntilLive();
    await chat.send('hello');
    await room.send('hello back');
    await chat.waitForTexts('sent meanwhile', 'hello', 'hello back');
    // A lost stream is replaced by a new one.
    proxy.cut();
    await room.send('missed');
    await chat.waitForState('live');
    await chat.waitForTexts('sent meanwhile', 'hello', 'hello back', 'missed');
    assert.ok(chat.streams.length > 1);
    await chat.close();
    await proxy.close();
  });
}

test('a browser without WebSockets uses server-sent events', async () => {
  const { room, chat } = await chats.enterNewRoom(withoutWebSockets);
  await room.send('hello');
  await chat.waitForTexts('hello');
  await chat.close();
});
