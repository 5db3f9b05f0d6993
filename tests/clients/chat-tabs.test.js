// The chat page in many tabs of one browser, over plain HTTP/1.1.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createRoom } from './support/author.js';
import { fragmentOf, useChat } from './support/chat_fixture.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

/** More than the six connections that a browser opens to one server over HTTP/1.1. */
const TABS = 10;

const chats = useChat();

/** Opens a room of `server` in ten tabs of one browser profile. */
async function openTabs(room, { url }) {
  const tabs = [await chats.open({ url, fragment: fragmentOf(room) })];
  while (tabs.length < TABS) tabs.push(await chats.open({ url, context: tabs[0].context, fragment: fragmentOf(room) }));
  await Promise.all(tabs.map((tab) => tab.waitUntilLive()));
  return tabs;
}

test('every message arrives in each of ten tabs, and each can send', async () => {
  const room = await createRoom(chats.server.graphql);
  const tabs = await openTabs(room, chats.server);
  await room.send('to all');
  await tabs.at(-1).send('from the last tab');
  await tabs[0].send('from the first tab');
  for (const tab of tabs) await tab.waitForTexts('to all', 'from the last tab', 'from the first tab');

  await Promise.all(tabs.map((tab, number) => tab.send(`tab ${number}`)));
  const sent = tabs.map((_, number) => `tab ${number}`).sort();
  for (const tab of tabs) {
    await until(async () => (await tab.texts()).length === 3 + TABS);
    assert.deepEqual((await tab.texts()).slice(3).sort(), sent);
    assert.equal(tab.streams.length, 0, 'no tab uses server-sent events');
    assert.deepEqual(tab.faults, []);
  }
  await tabs[0].close();
});

test('a tab whose browser is slow to grant it the lock that stands for it misses nothing', async () => {
  const { room, chat: leader } = await chats.enterNewRoom();
  const prepare = (page) =>
    page.addInitScript(() => {
      const request = navigator.locks.request.bind(navigator.locks);
      navigator.locks.request = async (name, ...rest) => {
        if (/:[0-9a-f]{32}$/.test(name)) await new Promise((resolve) => setTimeout(resolve, 1_000));
        return request(name, ...rest);
      };
      // Without the regular checks of the leader, by which a tab would notice that it is not served.
      const { setInterval } = window;
      window.setInterval = (work, interval) => (interval < 20_000 ? setInterval(work, interval) : 0);
    });
  const tab = await chats.enter(room, { context: leader.context, prepare });
  const locks = () => tab.page.evaluate(async () => (await navigator.locks.query()).held.map(({ name }) => name));
  await until(async () => (await locks()).filter((name) => /:[0-9a-f]{32}$/.test(name)).length === 2);
  await room.send('to both');
  await tab.waitForTexts('to both');
  await leader.close();
});

test('when the server restarts, none of ten tabs misses a message', async () => {
  const server = await startServer({ DRAIN_SECONDS: '1' });
  const tabs = await openTabs(await createRoom(server.graphql), server);
  await server.restart();
  await tabs[0].submit('after the restart');
  for (const tab of tabs) await tab.waitForTexts('after the restart');
  for (const tab of tabs) {
    await tab.waitForState('live');
    assert.equal(tab.streams.length, 0, 'all tabs use WebSockets again');
  }
  await tabs[0].close();
  await server.stop();
});
