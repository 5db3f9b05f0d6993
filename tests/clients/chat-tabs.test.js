// The chat page in many tabs of one browser, over plain HTTP/1.1, and where no WebSocket gets through.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createRoom } from './support/author.js';
import { openBrowser } from './support/browser.js';
import { openChat } from './support/chat_page.js';
import { openProxy } from './support/proxy.js';
import { startServer } from './support/server.js';
import { openTlsProxy } from './support/tls.js';
import { until } from './support/until.js';

/** More than the six connections that a browser opens to a server over HTTP/1.1. */
const TABS = 10;

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

async function openTabs(room) {
  const tabs = [await openChat(browser, server.url, { fragment: fragmentOf(room) })];
  while (tabs.length < TABS) {
    tabs.push(await openChat(browser, server.url, { context: tabs[0].context, fragment: fragmentOf(room) }));
  }
  await Promise.all(tabs.map((tab) => tab.isIn()));
  return tabs;
}

test('ten tabs of one browser follow a room, every message arrives in each, and each can send', async () => {
  const room = await createRoom(server.graphql);
  const tabs = await openTabs(room);
  await room.send('to all');
  await tabs.at(-1).send('from the last tab');
  await tabs[0].send('from the first tab');
  for (const tab of tabs) await tab.shows('to all', 'from the last tab', 'from the first tab');

  await Promise.all(tabs.map((tab, number) => tab.send(`tab ${number}`)));
  const sent = tabs.map((_, number) => `tab ${number}`).sort();
  for (const tab of tabs) {
    await until(async () => (await tab.texts()).length === 3 + TABS);
    assert.deepEqual((await tab.texts()).slice(3).sort(), sent);
    assert.equal(tab.streams.length, 0, 'no stream takes up a connection');
    assert.deepEqual(tab.faults, []);
  }
  await tabs[0].close();
});

test('a server that restarts under ten tabs loses nothing for any of them', async () => {
  const own = await startServer({ DRAIN_SECONDS: '1' });
  const first = await openChat(browser, own.url);
  await first.createRoom();
  const tabs = [first];
  while (tabs.length < TABS) tabs.push(await openChat(browser, own.url, { context: first.context, fragment: first.fragment }));
  await Promise.all(tabs.map((tab) => tab.isIn()));
  await own.restart();
  await first.type('after the restart');
  for (const tab of tabs) await tab.shows('after the restart');
  for (const tab of tabs) {
    await tab.connectionIs('live');
    assert.equal(tab.streams.length, 0, 'all came back over WebSockets');
  }
  await first.close();
  await own.stop();
});

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
