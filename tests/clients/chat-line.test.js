// The chat page when things break: the server restarts, the network drops, answers are lost, rooms end.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { authorIn, createRoom } from './support/author.js';
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

/** Enters a new room over `url`. */
async function enter(url = server.url, options = {}) {
  const room = await createRoom(server.graphql);
  const chat = await openChat(browser, url, { ...options, fragment: fragmentOf(room) });
  await chat.isIn();
  return { room, chat };
}

/** A browser that has no WebSockets, so that the page follows over server-sent events. */
const withoutWebSockets = { prepare: (page) => page.addInitScript(() => delete globalThis.WebSocket) };

const BAD_GATEWAY = 'HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';

/** Has the next sends of the page go through `answer(route, number)` instead of straight to the server. */
async function onSends(chat, answer) {
  let number = 0;
  await chat.page.route('**/graphql', (route) =>
    route.request().postData()?.includes('sendMessage') ? answer(route, (number += 1)) : route.fallback(),
  );
}

const refusal = (code, extensions) =>
  JSON.stringify({ data: null, errors: [{ message: `refused with ${code}`, extensions: { code, ...extensions } }] });

test('the server restarts while people talk: nothing is missed, nothing is doubled', async () => {
  const own = await startServer({ DRAIN_SECONDS: '1' });
  const ada = await openChat(browser, own.url);
  await ada.createRoom();
  const grace = await openChat(browser, own.url, { fragment: ada.fragment });
  await grace.isIn();
  await ada.send('before');
  await grace.shows('before');

  const restarted = own.restart();
  await Promise.all([ada, grace].map((chat) => chat.connectionIs('lost')));
  await ada.type('while it was away');
  await restarted;
  await ada.isSent();
  await grace.send('after');
  for (const chat of [ada, grace]) {
    await chat.shows('before', 'while it was away', 'after');
    await chat.connectionIs('live');
    await chat.close();
  }
  await own.stop();
});

test('the network drops and comes back: the page says so, catches up, and misses nothing', async () => {
  const line = await openProxy(server.url);
  const { room, chat } = await enter(line.url);
  const first = await room.send('first');
  const second = await room.send('second');
  await chat.shows('first', 'second');

  line.refuse();
  line.cut();
  await chat.connectionIs('lost');
  await chat.page.getByText('Connection lost').waitFor();
  await room.edit(first, 'first, mended');
  await room.delete(second);
  for (let number = 0; number < 60; number += 1) await room.send(`missed ${number}`);
  await chat.type('from behind the wall');
  line.accept();

  const missed = Array.from({ length: 60 }, (_, number) => `missed ${number}`);
  await chat.shows('first, mended', 'Message deleted', ...missed, 'from behind the wall');
  await chat.connectionIs('live');
  const states = await chat.states();
  assert.deepEqual([...new Set(states)], ['live', 'lost', 'catching-up']);
  await chat.page.getByText('Nothing was missed').waitFor();
  await chat.close();
  await line.close();
});

test('a gateway in between answers with an error for a while, on which a browser gives up: nothing is missed', async () => {
  const line = await openProxy(server.url);
  const { room, chat } = await enter(line.url, withoutWebSockets);
  let refused = 0;
  await chat.page.route('**/graphql?*', (route) => {
    refused += 1;
    return refused > 2 ? route.continue() : route.fulfill({ status: 502, body: 'Bad Gateway' });
  });
  line.cut();
  await chat.connectionIs('lost');
  await room.send('missed');
  await until(() => refused > 2);
  await chat.connectionIs('live');
  await chat.shows('missed');
  await chat.close();
  await line.close();
});

test('a gateway in between refuses WebSockets for a while: the page comes back over one, and nothing is missed', async () => {
  const line = await openProxy(server.url);
  const { room, chat } = await enter(line.url);
  line.refuseSockets(BAD_GATEWAY);
  line.cut();
  await chat.connectionIs('lost');
  await room.send('missed');
  await until(() => line.refused > 2);
  line.accept();
  await chat.connectionIs('live');
  await chat.shows('missed');
  assert.equal(chat.streams.length, 0);
  await chat.close();
  await line.close();
});

test('who is offline is told so, and can write', async () => {
  const { room, chat } = await enter();
  await chat.context.setOffline(true);
  await chat.page.getByText('You are offline').waitFor();
  await chat.type('written on a train');
  await room.send('said at home');
  await chat.context.setOffline(false);
  await chat.isSent();
  await chat.shows('said at home', 'written on a train');
  await chat.close();
});

test('a send whose answer is lost shows the message once, and the next one is sent', async () => {
  const { room, chat } = await enter();
  await onSends(chat, async (route, number) => {
    if (number > 1) return route.continue();
    await route.fetch();
    await route.abort();
  });
  await chat.type('said once');
  await chat.isSent();
  await chat.send('and then');
  await chat.shows('said once', 'and then');
  await room.send('end');
  await chat.shows('said once', 'and then', 'end');
  await chat.close();
});

test('a lost answer is asked for again with the same id, when no event tells of the message either', async () => {
  const line = await openProxy(server.url);
  const { chat } = await enter(line.url);
  line.refuseSockets(BAD_GATEWAY);
  line.cut();
  await chat.connectionIs('lost');
  const ids = [];
  await onSends(chat, async (route, number) => {
    ids.push(route.request().postDataJSON().variables.input.clientMessageId);
    if (number > 2) return route.continue();
    await route.fetch();
    await route.abort();
  });
  await chat.type('said once');
  await chat.isSent();
  assert.equal(ids.length, 3);
  assert.equal(new Set(ids).size, 1);
  assert.equal(await chat.page.locator('.banner').getAttribute('data-state'), 'lost');
  line.accept();
  await chat.connectionIs('live');
  await chat.shows('said once');
  await chat.close();
  await line.close();
});

test('who sends too fast is told to wait, and the message goes out by itself', async () => {
  const { chat } = await enter();
  const body = refusal('RATE_LIMITED', { retryAfterMs: 1_500 });
  await onSends(chat, (route, number) => (number > 1 ? route.continue() : route.fulfill({ status: 429, body })));
  await chat.type('in a hurry');
  await chat.page.getByText('Too fast, sent in 2 s').waitFor();
  await chat.isSent();
  await chat.shows('in a hurry');
  await chat.close();
});

test('a message that is refused can be tried again or discarded', async () => {
  const { chat } = await enter();
  const body = refusal('ROOM_FULL');
  await onSends(chat, (route, number) => (number > 2 ? route.continue() : route.fulfill({ body })));
  await chat.type('first');
  await chat.page.getByText('Not sent. refused with ROOM_FULL').waitFor();
  await chat.type('second');
  await until(async () => (await chat.page.locator('.failed').count()) === 2);
  await chat.row('first').getByRole('button', { name: 'Discard' }).click();
  await chat.row('second').getByRole('button', { name: 'Try again' }).click();
  await chat.isSent();
  await chat.shows('second');
  await chat.close();
});

test('who has lost the token goes on as somebody new', async () => {
  const { chat } = await enter();
  await chat.send('first');
  await chat.page.evaluate(() => {
    const key = Object.keys(localStorage).find((key) => key.endsWith(':user'));
    localStorage[key] = JSON.stringify({ ...JSON.parse(localStorage[key]), token: '0'.repeat(32) });
  });
  await chat.send('second');
  await chat.shows('first', 'second');
  assert.equal(await chat.page.locator('.row.mine').count(), 1);
  await chat.close();
});

test('a server that was set back to a backup: the room is read anew, and followed', async () => {
  const own = await startServer({ DRAIN_SECONDS: '1' });
  const room = await createRoom(own.graphql);
  await room.send('first');
  const chat = await openChat(browser, own.url, { fragment: fragmentOf(room) });
  await chat.isIn();
  const setBack = await own.backUp();
  await room.send('lost by the server');
  await chat.shows('first', 'lost by the server');
  await setBack();
  await chat.shows('first');
  await authorIn(room.place, own.graphql).send('second');
  await chat.shows('first', 'second');
  assert.equal(chat.streams.length, 0);
  await chat.close();
  await own.stop();
});

test('a position that the server has lost: the room is read anew, and followed', async () => {
  const room = await createRoom(server.graphql);
  await room.send('first');
  const chat = await openChat(browser, server.url, withoutWebSockets);
  let refused = 0;
  await chat.page.route('**/graphql?*', (route) => {
    if (refused > 0) return route.continue();
    refused += 1;
    const error = JSON.stringify({ errors: [{ message: 'lost', extensions: { code: 'CURSOR_INVALID' } }] });
    const body = `event: next\ndata: ${error}\n\nevent: complete\nid: complete\ndata:\n\n`;
    return route.fulfill({ headers: { 'content-type': 'text/event-stream' }, body });
  });
  await chat.page.goto(`${server.url}/${fragmentOf(room)}`);
  await chat.isIn();
  await room.send('second');
  await chat.shows('first', 'second');
  assert.equal(refused, 1);
  await chat.close();
});

test('a room that ends says so, and takes nothing more', async () => {
  const own = await startServer({ ROOM_TTL: '8s' });
  const chat = await openChat(browser, own.url);
  await chat.createRoom();
  await chat.send('last words');
  await chat.page.getByText('This room has ended, and nobody can enter it any more.').waitFor();
  assert.ok(await chat.page.getByLabel('Message', { exact: true }).isDisabled());
  await chat.shows('last words');
  await chat.page.getByRole('link', { name: 'Make a new room' }).click();
  await chat.page.getByRole('button', { name: 'Create a room' }).waitFor();
  assert.equal(await chat.page.getByText('Rooms you were in').count(), 0);
  await chat.close();
  await own.stop();
});
