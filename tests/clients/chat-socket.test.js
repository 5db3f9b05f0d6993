// How the chat page keeps its WebSocket: closed, pinged, silent.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createRoom } from './support/author.js';
import { openBrowser } from './support/browser.js';
import { openChat } from './support/chat_page.js';
import { openProxy } from './support/proxy.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

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

for (const code of [4400, 4403, 4406, 1008]) {
  test(`a WebSocket that is closed with ${code} is not opened again at once, and nothing is missed`, async () => {
    const room = await createRoom(server.graphql);
    let opened = 0;
    const prepare = (page) =>
      page.routeWebSocket(/graphql/, (socket) => {
        opened += 1;
        socket.onMessage(() => socket.close({ code, reason: 'no' }));
      });
    const chat = await openChat(browser, server.url, { fragment: fragmentOf(room), prepare });
    await chat.isIn();
    await room.send('hello');
    await chat.shows('hello');
    assert.equal(opened, 1);
    await chat.close();
  });
}

test('a ping from whatever is in between is answered', async () => {
  const room = await createRoom(server.graphql);
  const answers = [];
  const prepare = (page) =>
    page.routeWebSocket(/graphql/, (near) => {
      const far = near.connectToServer();
      near.onMessage((message) => {
        if (message.includes('"pong"')) return answers.push(JSON.parse(message));
        far.send(message);
      });
      far.onMessage((message) => {
        near.send(message);
        if (message.includes('connection_ack')) near.send('{"type":"ping","payload":{"count":7}}');
      });
    });
  const chat = await openChat(browser, server.url, { fragment: fragmentOf(room), prepare });
  await chat.isIn();
  await until(() => answers.length > 0);
  assert.deepEqual(answers, [{ type: 'pong', payload: { count: 7 } }]);
  await chat.close();
});

test('a connection that dies in silence is noticed and replaced', async () => {
  const line = await openProxy(server.url);
  const room = await createRoom(server.graphql);
  const chat = await openChat(browser, line.url, { fragment: fragmentOf(room) });
  await chat.isIn();
  line.stall();
  await room.send('said into the void');
  await chat.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await chat.connectionIs('lost');
  line.resume();
  await chat.shows('said into the void');
  await chat.connectionIs('live');
  await chat.close();
  await line.close();
});

test('what the browser says of the network changes nothing while the stream lives', async () => {
  const room = await createRoom(server.graphql);
  const chat = await openChat(browser, server.url, { fragment: fragmentOf(room) });
  await chat.isIn();
  await chat.page.evaluate(() => {
    Object.defineProperty(navigator, 'onLine', { get: () => false });
    dispatchEvent(new Event('offline'));
  });
  await room.send('still heard');
  await chat.shows('still heard');
  await chat.send('still said');
  await chat.page.evaluate(() => {
    delete navigator.onLine;
    dispatchEvent(new Event('online'));
  });
  await chat.shows('still heard', 'still said');
  assert.deepEqual(await chat.states(), ['live']);
  assert.equal(chat.sockets.length, 1);
  await chat.close();
});
