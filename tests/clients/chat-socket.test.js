// The WebSocket of the chat page: close codes, pings, and dead connections.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { useChat } from './support/chat_fixture.js';
import { openProxy } from './support/proxy.js';
import { until } from './support/until.js';

const chats = useChat();

for (const code of [4400, 4403, 4406, 1008]) {
  test(`after close code ${code}, the page uses server-sent events and misses nothing`, async () => {
    let opened = 0;
    const prepare = (page) =>
      page.routeWebSocket(/graphql/, (socket) => {
        opened += 1;
        socket.onMessage(() => socket.close({ code, reason: 'no' }));
      });
    const { room, chat } = await chats.enterNewRoom({ prepare });
    await room.send('hello');
    await chat.waitForTexts('hello');
    assert.equal(opened, 1);
    await chat.close();
  });
}

test('a ping gets a pong with its payload', async () => {
  const pongs = [];
  const prepare = (page) =>
    page.routeWebSocket(/graphql/, (near) => {
      const far = near.connectToServer();
      near.onMessage((message) => {
        if (message.includes('"pong"')) return pongs.push(JSON.parse(message));
        far.send(message);
      });
      far.onMessage((message) => {
        near.send(message);
        if (message.includes('connection_ack')) near.send('{"type":"ping","payload":{"count":7}}');
      });
    });
  const { chat } = await chats.enterNewRoom({ prepare });
  await until(() => pongs.length > 0);
  assert.deepEqual(pongs, [{ type: 'pong', payload: { count: 7 } }]);
  await chat.close();
});

test('a dead connection is detected and replaced', async () => {
  const proxy = await openProxy(chats.server.url);
  const { room, chat } = await chats.enterNewRoom({ url: proxy.url });
  proxy.stall();
  await room.send('sent while the connection was dead');
  await chat.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await chat.waitForState('lost');
  proxy.resume();
  await chat.waitForTexts('sent while the connection was dead');
  await chat.waitForState('live');
  await chat.close();
  await proxy.close();
});

test('the online and offline events of the browser do not interrupt a working connection', async () => {
  const { room, chat } = await chats.enterNewRoom();
  await chat.page.evaluate(() => {
    Object.defineProperty(navigator, 'onLine', { get: () => false });
    dispatchEvent(new Event('offline'));
  });
  await room.send('still received');
  await chat.waitForTexts('still received');
  await chat.send('still sent');
  await chat.page.evaluate(() => {
    delete navigator.onLine;
    dispatchEvent(new Event('online'));
  });
  await chat.waitForTexts('still received', 'still sent');
  assert.deepEqual(await chat.states(), ['live']);
  assert.equal(chat.sockets.length, 1);
  await chat.close();
});
