// The chat page when something fails: server restarts, network failures, lost responses, and the end of a room.

import assert from 'node:assert/strict';
import { before, test } from 'node:test';

import { authorIn, createRoom } from './support/author.js';
import { fragmentOf, useChat, withoutWebSockets } from './support/chat_fixture.js';
import { openProxy } from './support/proxy.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

const chats = useChat();

/** A room that ends while the other tests run: on a slow machine, it must not end before its page is ready. */
let ending;

before(() => {
  ending = openEndingRoom();
  ending.catch(() => {});
});

async function openEndingRoom() {
  const server = await startServer({ ROOM_TTL: '40s' });
  const chat = await chats.open({ url: server.url });
  await chat.createRoom();
  await chat.send('last words');
  return { server, chat };
}

const BAD_GATEWAY = 'HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';

/** Passes the sends of the page to `handle(route, number)` instead of the server. */
async function interceptSends(chat, handle) {
  let number = 0;
  await chat.page.route('**/graphql', (route) =>
    route.request().postData()?.includes('sendMessage') ? handle(route, (number += 1)) : route.fallback(),
  );
}

/** Passes the requests of the page for event streams to `handle(route)` instead of the server. */
const interceptStreams = (page, handle) =>
  page.route('**/graphql', (route) => (route.request().headers().accept === 'text/event-stream' ? handle(route) : route.fallback()));

const errorBody = (code, extensions) =>
  JSON.stringify({ data: null, errors: [{ message: `failed with ${code}`, extensions: { code, ...extensions } }] });

test('when the server restarts, no message is missed or duplicated', async () => {
  const server = await startServer({ DRAIN_SECONDS: '1' });
  const ada = await chats.open({ url: server.url });
  await ada.createRoom();
  const grace = await chats.open({ url: server.url, fragment: ada.fragment });
  await grace.waitUntilLive();
  await ada.send('before');
  await grace.waitForTexts('before');

  await server.shutDown();
  await Promise.all([ada, grace].map((chat) => chat.waitForState('lost')));
  await ada.submit('sent during the restart');
  await server.startAgain();
  await ada.waitUntilSent();
  await grace.send('after');
  for (const chat of [ada, grace]) {
    await chat.waitForTexts('before', 'sent during the restart', 'after');
    await chat.waitForState('live');
    await chat.close();
  }
  await server.stop();
});

test('when the network fails and recovers, the page shows it and misses nothing', async () => {
  const proxy = await openProxy(chats.server.url);
  const { room, chat } = await chats.enterNewRoom({ url: proxy.url });
  const first = await room.send('first');
  const second = await room.send('second');
  await chat.waitForTexts('first', 'second');

  proxy.refuse();
  proxy.cut();
  await chat.waitForState('lost');
  await chat.page.getByText('Connection lost').waitFor();
  await room.edit(first, 'first, mended');
  await room.delete(second);
  for (let number = 0; number < 60; number += 1) await room.send(`missed ${number}`);
  await chat.submit('sent without a connection');
  proxy.accept();

  const missed = Array.from({ length: 60 }, (_, number) => `missed ${number}`);
  await chat.waitForTexts('first, mended', 'Message deleted', ...missed, 'sent without a connection');
  await chat.waitForState('live');
  const states = await chat.states();
  assert.deepEqual([...new Set(states)], ['live', 'lost', 'catching-up']);
  await chat.waitUntilShown('banner', /No messages were missed/);
  await chat.close();
  await proxy.close();
});

test('when a gateway fails requests for event streams, the page reconnects and misses nothing', async () => {
  const proxy = await openProxy(chats.server.url);
  const { room, chat } = await chats.enterNewRoom({ url: proxy.url, ...withoutWebSockets });
  let refused = 0;
  let hasRecovered = false;
  await interceptStreams(chat.page, (route) => {
    if (hasRecovered) return route.continue();
    refused += 1;
    return route.fulfill({ status: 502, body: 'Bad Gateway' });
  });
  proxy.cut();
  await chat.waitForState('lost');
  await room.send('missed');
  await until(() => refused > 4);
  hasRecovered = true;
  await chat.waitForState('live');
  await chat.waitForTexts('missed');
  await chat.close();
  await proxy.close();
});

test('when a gateway refuses WebSockets for a while, the page reconnects with one and misses nothing', async () => {
  const proxy = await openProxy(chats.server.url);
  const { room, chat } = await chats.enterNewRoom({ url: proxy.url });
  // After two more, the page would take WebSockets for blocked.
  proxy.refuseSockets(BAD_GATEWAY, 3);
  proxy.cut();
  await room.send('missed');
  await chat.waitUntilLiveAgain();
  await chat.waitForTexts('missed');
  assert.equal(proxy.refused, 3);
  assert.equal(chat.streams.length, 0);
  await chat.close();
  await proxy.close();
});

test('an offline user is informed and can write', async () => {
  const { room, chat } = await chats.enterNewRoom();
  await chat.context.setOffline(true);
  await chat.page.getByText('You are offline').waitFor();
  await chat.submit('written offline');
  await room.send('sent meanwhile');
  await chat.context.setOffline(false);
  await chat.waitUntilSent();
  await chat.waitForTexts('sent meanwhile', 'written offline');
  await chat.close();
});

test('a message whose response is lost is shown once, and the next one is sent', async () => {
  const { room, chat } = await chats.enterNewRoom();
  await interceptSends(chat, async (route, number) => {
    if (number > 1) return route.continue();
    await route.fetch();
    await route.abort();
  });
  await chat.submit('sent once');
  await chat.waitUntilSent();
  await chat.send('and then');
  await chat.waitForTexts('sent once', 'and then');
  await room.send('end');
  await chat.waitForTexts('sent once', 'and then', 'end');
  await chat.close();
});

test('without a connection for events, a send whose response is lost is repeated with the same id', async () => {
  const proxy = await openProxy(chats.server.url);
  const { chat } = await chats.enterNewRoom({ url: proxy.url });
  await interceptStreams(chat.page, (route) => route.abort());
  proxy.refuseSockets(BAD_GATEWAY);
  proxy.cut();
  await chat.waitForState('lost');
  const ids = [];
  await interceptSends(chat, async (route, number) => {
    ids.push(route.request().postDataJSON().variables.input.clientMessageId);
    if (number > 2) return route.continue();
    await route.fetch();
    await route.abort();
  });
  await chat.submit('sent once');
  await chat.waitUntilSent();
  assert.equal(ids.length, 3);
  assert.equal(new Set(ids).size, 1);
  assert.equal(await chat.page.locator('.banner').getAttribute('data-state'), 'lost');
  proxy.accept();
  await chat.waitForState('live');
  await chat.waitForTexts('sent once');
  await chat.close();
  await proxy.close();
});

test('a rate-limited message is sent automatically after the wait', async () => {
  const { chat } = await chats.enterNewRoom();
  const body = errorBody('RATE_LIMITED', { retryAfterMs: 49_500 });
  await interceptSends(chat, (route, number) => (number > 1 ? route.continue() : route.fulfill({ status: 429, body })));
  await chat.page.clock.install();
  await chat.submit('sent too fast');
  await chat.page.getByText('Too many messages, sending in 50 s').waitFor();
  await chat.page.clock.fastForward(49_500);
  await chat.waitUntilSent();
  await chat.waitForTexts('sent too fast');
  await chat.close();
});

test('a rejected message can be sent again or discarded', async () => {
  const { chat } = await chats.enterNewRoom();
  const body = errorBody('ROOM_FULL');
  await interceptSends(chat, (route, number) => (number > 2 ? route.continue() : route.fulfill({ body })));
  await chat.submit('first');
  await chat.page.getByText('Not sent. failed with ROOM_FULL').waitFor();
  await chat.submit('second');
  await until(async () => (await chat.page.locator('.failed').count()) === 2);
  await chat.row('first').getByRole('button', { name: 'Discard' }).click();
  await chat.row('second').getByRole('button', { name: 'Try again' }).click();
  await chat.waitUntilSent();
  await chat.waitForTexts('second');
  await chat.close();
});

/** Makes the token that the page has stored invalid. With the lock of its actions, none of them overwrites it. */
const spoilToken = (chat) =>
  chat.page.evaluate(() => {
    const key = Object.keys(localStorage).find((key) => key.endsWith(':user'));
    return navigator.locks.request(key, () => {
      localStorage[key] = JSON.stringify({ ...JSON.parse(localStorage[key]), token: '0'.repeat(32) });
    });
  });

test('a user whose token is invalid continues as a new user', async () => {
  const { chat } = await chats.enterNewRoom();
  await chat.send('first');
  await spoilToken(chat);
  await chat.send('second');
  await chat.waitForTexts('first', 'second');
  assert.equal(await chat.page.locator('.row.mine').count(), 1);
  await chat.close();
});

test('a user whose token is invalid when the page joins a room no longer owns its messages', async () => {
  const { room, chat } = await chats.enterNewRoom();
  await chat.send('first');
  await spoilToken(chat);
  await chat.page.reload();
  await chat.waitForTexts('first');
  await until(async () => (await chat.page.locator('.row.mine').count()) === 0);
  await room.send('second');
  await chat.waitForTexts('first', 'second');
  await chat.close();
});

test('after the server is restored from a backup, the page loads the room again', async () => {
  const server = await startServer({ DRAIN_SECONDS: '1' });
  const room = await createRoom(server.graphql);
  await room.send('first');
  const chat = await chats.enter(room, { url: server.url });
  const restore = await server.backUp();
  await room.send('lost by the server');
  await chat.waitForTexts('first', 'lost by the server');
  await restore();
  await chat.waitForTexts('first');
  await authorIn(room.key, server.graphql).send('second');
  await chat.waitForTexts('first', 'second');
  assert.equal(chat.streams.length, 0);
  await chat.close();
  await server.stop();
});

test('when the server rejects the cursor, the page loads the room again', async () => {
  const room = await createRoom(chats.server.graphql);
  await room.send('first');
  const chat = await chats.open(withoutWebSockets);
  let refused = 0;
  await interceptStreams(chat.page, (route) => {
    if (refused > 0 || !route.request().postData().includes('roomEvents')) return route.continue();
    refused += 1;
    const error = JSON.stringify({ errors: [{ message: 'lost', extensions: { code: 'CURSOR_INVALID' } }] });
    const body = `event: next\ndata: ${error}\n\nevent: complete\nid: complete\ndata:\n\n`;
    return route.fulfill({ headers: { 'content-type': 'text/event-stream' }, body });
  });
  await chat.page.goto(`${chats.server.url}/${fragmentOf(room)}`);
  await chat.waitUntilLive();
  await room.send('second');
  await chat.waitForTexts('first', 'second');
  assert.equal(refused, 1);
  await chat.close();
});

test('when a room ends, the page shows it and disables the message field', async () => {
  const { server, chat } = await ending;
  await chat.page.getByText('This room has ended, and nobody can enter it anymore.').waitFor();
  assert.ok(await chat.page.getByLabel('Message', { exact: true }).isDisabled());
  await chat.waitForTexts('last words');
  await chat.page.getByRole('link', { name: 'Create a new room' }).click();
  await chat.page.getByRole('button', { name: 'Create a room' }).waitFor();
  assert.equal(await chat.page.getByText('Rooms you were in').count(), 0);
  await chat.close();
  await server.stop();
});
