// The package in many tabs of one Chromium, which share a connection: what the scenario with ten tabs does not show.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { openBrowser } from '../../../tests/clients/support/browser.js';
import { openProxy } from '../../../tests/clients/support/proxy.js';
import { startServer } from '../../../tests/clients/support/server.js';
import { until } from '../../../tests/clients/support/until.js';
import { openClient, record } from './support/client.js';
import { startSite } from './support/site.js';

/** More than the six connections that a browser opens to one server over HTTP/1.1. */
const TABS = 10;

const PAGE = `<!doctype html><script type="module">
  import { LiveChat } from '/client/index.js';
  const { url, check, roomId, roomCode } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  const chat = new LiveChat(url, { timing: { minRetry: 20, check } });
  window.room = await chat.join({ roomId, roomCode });
  window.events = [];
  room.addEventListener('event', ({ detail }) => events.push(detail));
  document.title = 'joined';
</script>`;

let server;
let browser;
let site;

before(async () => {
  [server, browser, site] = await Promise.all([startServer(), openBrowser(), startSite({ '/': PAGE })]);
});

after(async () => {
  await browser?.close();
  await site?.close();
  await server?.stop();
});

/**
 * Opens a new room in tabs of a new browser profile, and with a client that has its own connection. Unless a test sets `check`, no tab
 * takes the connection from another one that is only slow.
 */
async function openTabs(t, url, { count = TABS, check = 600_000, prepare } = {}) {
  const client = openClient(t, server.url);
  const key = await client.createRoom();
  const witness = await client.join({ ...key, isVisible: false });
  const truth = record(witness);
  const context = await browser.newContext();
  t.after(() => context.close());
  const open = async () => {
    const page = await context.newPage();
    const tab = { page, sockets: 0, openSockets: 0, streams: 0, faults: [] };
    page.on('websocket', (socket) => {
      tab.sockets += 1;
      tab.openSockets += 1;
      socket.once('close', () => (tab.openSockets -= 1));
    });
    page.on('request', (request) => request.headers().accept === 'text/event-stream' && (tab.streams += 1));
    page.on('pageerror', (error) => tab.faults.push(error.stack));
    await prepare?.(page);
    await page.goto(`${site.url}/#${encodeURIComponent(JSON.stringify({ url, check, roomId: key.roomId, roomCode: key.roomCode }))}`);
    await page.waitForFunction(() => document.title === 'joined' && room.state.connection === 'live', null, { polling: 50, timeout: 60_000 });
    return tab;
  };
  const tabs = [await open()];
  tabs.push(...(await Promise.all(Array.from({ length: count - 1 }, open))));
  return { tabs, witness, truth, open };
}

const send = ({ page }, text) => page.evaluate((text) => room.send(text).then(() => null), text);
const textsOf = ({ page }) => page.evaluate(() => room.state.messages.map(({ text }) => text));
const cursorsOf = ({ page }) => page.evaluate(() => events.map(({ cursor }) => cursor));
/** Whether the tab has, or has had, the connection. */
const isLeading = (tab) => tab.sockets + tab.streams > 0;
/** Whether the tab has the connection now. */
const isConnected = (tab) => tab.openSockets > 0;

/** Waits until each tab has received the same events as the client with its own connection, each once and in order. */
async function assertSameEvents(tabs, truth) {
  const expected = () => truth.events.map(({ cursor }) => cursor);
  for (const [number, tab] of tabs.entries()) {
    let received;
    const isComplete = async () => (received = await cursorsOf(tab)).length >= expected().length;
    await until(isComplete, () => `tab ${number} with ${tab.sockets} sockets and ${tab.streams} streams has received ${received?.length} events`);
    assert.deepEqual(received, expected());
    assert.deepEqual(tab.faults, []);
  }
}

test('when the tab with the connection closes, another takes over without a gap', async (t) => {
  const { tabs, witness, truth } = await openTabs(t, server.url, { count: 4 });
  let isOver = false;
  const writing = (async () => {
    for (let number = 0; !isOver; number += 1) {
      await witness.send(`message ${number}`);
      await sleep(5);
    }
  })();
  writing.catch(() => {});
  let open = tabs;
  while (open.length > 1) {
    const leader = open.find(isLeading);
    await leader.page.close();
    open = open.filter((tab) => tab !== leader);
    await until(() => open.some(isLeading));
    const { length } = truth.events;
    await until(() => truth.events.length > length + 5);
  }
  isOver = true;
  await writing;
  await assertSameEvents(open, truth);
});

test('when the tab with the connection no longer responds, a visible one takes over without a gap', async (t) => {
  const { tabs, witness, truth } = await openTabs(t, server.url, { count: 3, check: 2_000 });
  await until(() => tabs.some(isConnected));
  const leader = tabs.find(isConnected);
  const others = tabs.filter((tab) => tab !== leader);
  await leader.page.evaluate(() => {
    globalThis.post = BroadcastChannel.prototype.postMessage;
    BroadcastChannel.prototype.postMessage = () => {};
  });
  await witness.send('while it is silent');
  await until(() => others.some(isConnected));
  await assertSameEvents(others, truth);
  await leader.page.evaluate(() => (BroadcastChannel.prototype.postMessage = globalThis.post) && null);
  await witness.send('all are back');
  await until(() => truth.events.length === 2);
  await assertSameEvents(tabs, truth);
});

test('a lost connection is replaced by one, and no tab misses anything', async (t) => {
  const proxy = await openProxy(server.url);
  t.after(() => proxy.close());
  const { tabs, witness, truth } = await openTabs(t, proxy.url, { count: 4 });
  for (let round = 0; round < 3; round += 1) {
    proxy.refuse();
    proxy.cut();
    await witness.send(`missed ${round}`);
    const sent = send(tabs[round], `sent offline ${round}`);
    proxy.accept();
    await sent;
  }
  await until(() => truth.events.length === 6);
  await assertSameEvents(tabs, truth);
  assert.equal(tabs.filter(isLeading).length, 1);
});

test('a tab that joins later sees what the others see', async (t) => {
  const { tabs, witness, truth, open } = await openTabs(t, server.url, { count: 2 });
  await witness.send('before');
  await assertSameEvents(tabs, truth);
  const late = await open();
  await witness.send('after');
  await until(async () => (await textsOf(late)).length === 2);
  assert.deepEqual(await textsOf(late), ['before', 'after']);
  await until(() => late.page.evaluate(() => room.state.userCount === 1));
  assert.equal(isLeading(late), false);
});

test('ten tabs work without WebSockets, too: they share one stream for the events and one for the people', async (t) => {
  const prepare = (page) => page.addInitScript(() => delete globalThis.WebSocket);
  const { tabs, witness, truth } = await openTabs(t, server.url, { prepare });
  await witness.send('to all');
  await send(tabs.at(-1), 'from the last tab');
  await until(() => truth.events.length === 2);
  await assertSameEvents(tabs, truth);
  assert.equal(tabs.reduce((sum, { streams }) => sum + streams, 0), 2);
});
