// The chat page in many tabs of one browser, over plain HTTP/1.1.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createRoom } from './support/author.js';
import { openBrowser } from './support/browser.js';
import { openChat } from './support/chat_page.js';
import { startServer } from './support/server.js';
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
