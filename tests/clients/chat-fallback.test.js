// The chat page below a path of its own, and where no WebSocket gets through.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createRoom } from './support/author.js';
import { openBrowser } from './support/browser.js';
import { openChat } from './support/chat_page.js';
import { openProxy } from './support/proxy.js';
import { startServer } from './support/server.js';
import { openTlsProxy } from './support/tls.js';

let server;
let browser;

before(async () => {
  server = await startServer();
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const fragmentOf = ({ place }) => `#${place.roomId}/${place.roomCode}`;

test('below a path of its own and behind TLS, the page follows over a WebSocket', async () => {
  const own = await startServer({ BASE_PATH: '/some/chat' });
  const proxy = await openTlsProxy(own.url);
  const chat = await openChat(browser, proxy.url, { ignoreHTTPSErrors: true });
  await chat.createRoom();
  await chat.send('hello');
  await chat.shows('hello');
  assert.deepEqual(chat.sockets.map((socket) => socket.url()), [`${proxy.url.replace('https', 'wss')}/graphql`]);
  assert.equal(chat.streams.length, 0);
  await chat.close();
  await proxy.close();
  await own.stop();
});

const response = (status) => `HTTP/1.1 ${status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`;

for (const [what, answer] of [
  ['refused', response('403 Forbidden')],
  ['not understood', response('400 Bad Request')],
  ['answered like any request', 'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi'],
  ['never answered', 'nothing'],
]) {
  test(`a page whose WebSockets are ${what} follows over server-sent events`, async () => {
    const line = await openProxy(server.url);
    line.refuseSockets(answer);
    const room = await createRoom(server.graphql);
    const chat = await openChat(browser, line.url, { fragment: fragmentOf(room) });
    await room.send('said meanwhile');
    await chat.page.waitForSelector('.banner[data-state=live]', { state: 'attached', timeout: 30_000 });
    await chat.send('hello');
    await room.send('hello back');
    await chat.shows('said meanwhile', 'hello', 'hello back');
    // A stream that is lost is followed by another.
    line.cut();
    await room.send('missed');
    await chat.connectionIs('live');
    await chat.shows('said meanwhile', 'hello', 'hello back', 'missed');
    assert.ok(chat.streams.length > 1);
    await chat.close();
    await line.close();
  });
}

test('a browser without WebSockets follows over server-sent events', async () => {
  const room = await createRoom(server.graphql);
  const prepare = (page) => page.addInitScript(() => delete globalThis.WebSocket);
  const chat = await openChat(browser, server.url, { fragment: fragmentOf(room), prepare });
  await chat.isIn();
  await room.send('hello');
  await chat.shows('hello');
  await chat.close();
});
