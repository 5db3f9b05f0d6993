// People in the chat page: who is here, who is typing, avatars and marks.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';

import { fragmentOf, useChat, withoutWebSockets } from './support/chat_fixture.js';
import { createOwnedRoom } from './support/owned_room.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

const chats = useChat();

const PICTURES = 'https://avatars.example';
const PICTURE = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==', 'base64');

const people = (chat) => chat.page.getByRole('complementary', { name: 'People' });
/** The names in the part of the list with this heading. */
const namesIn = (chat, heading) => people(chat).locator(`h3:has-text("${heading}"):visible + ul .chatter-name`).allTextContents();
const typing = (chat) => chat.page.locator('.typing');
/** Waits until nobody is typing anymore. */
const waitUntilQuiet = (chat) => typing(chat).filter({ hasText: /^$/ }).waitFor({ state: 'attached' });

async function enterOwned(options) {
  const room = await createOwnedRoom(chats.server.graphql);
  return { room, chat: await chats.enter(room, options) };
}

async function joinAs(chat, name) {
  await chat.setName(name);
  await chat.page.getByRole('button', { name: 'Join' }).click();
  await chat.page.getByText(`You are ${name}`).waitFor();
}

test('people who join are listed, with the owner first, and disappear when they leave', async () => {
  const zoe = await chats.open();
  await zoe.createRoom();
  await joinAs(zoe, 'Zoe');
  const ada = await chats.open({ fragment: zoe.fragment });
  await ada.waitUntilLive();
  await until(async () => (await namesIn(ada, 'Here now')).join() === 'Zoe');
  assert.equal(await people(zoe).getByText('Ada').count(), 0, 'who only reads is not shown');
  await joinAs(ada, 'Ada');
  for (const chat of [zoe, ada]) await until(async () => (await namesIn(chat, 'Here now')).join() === 'Zoe,Ada');
  assert.equal(await people(ada).locator('li', { hasText: 'Zoe' }).locator('.owner').count(), 1);
  await people(ada).locator('li', { hasText: 'Ada' }).getByText('you', { exact: true }).waitFor();
  await ada.send('bye');
  await ada.close();
  await until(async () => (await namesIn(zoe, 'Here now')).join() === 'Zoe');
  assert.deepEqual(await namesIn(zoe, 'Wrote earlier'), ['Ada']);
  await zoe.close();
});

test('a known user joins by itself, also after a lost connection and in another room', async () => {
  const { chat } = await enterOwned();
  await joinAs(chat, 'Ada');
  await chat.page.reload();
  await chat.waitUntilLive();
  await until(async () => (await namesIn(chat, 'Here now')).join() === 'Ada');
  const other = await createOwnedRoom(chats.server.graphql);
  const tab = await chats.enter(other, { context: chat.context });
  await until(async () => (await namesIn(tab, 'Here now')).join() === 'Ada');
  assert.equal(await tab.page.getByLabel('Your name').count(), 0);
  await chat.close();
});

test('the typing line names up to two people, and does not interrupt screen readers', async () => {
  const { room, chat } = await enterOwned();
  const [ann, bob, cleo] = await Promise.all(['Ann', '<i>Bob</i>', 'Cleo'].map((name) => room.join(name)));
  await ann.type();
  await chat.waitUntilShown('typing', /^Ann is typing…$/);
  // Who types is shown for some seconds.
  await Promise.all([ann, bob].map((user) => user.type()));
  await chat.waitUntilShown('typing', /^(Ann and <i>Bob<\/i>|<i>Bob<\/i> and Ann) are typing…$/);
  await Promise.all([ann, bob, cleo].map((user) => user.type()));
  await chat.waitUntilShown('typing', /^3 people are typing…$/);
  assert.equal(await chat.page.locator('.typing i').count(), 0);
  assert.equal(await typing(chat).evaluate((line) => line.closest('[aria-live], [role=status]')), null);
  assert.equal(await chat.page.locator('#announcer').textContent(), '');
  await waitUntilQuiet(chat);
  await chat.close();
});

test('others see that a user is typing until it has sent the message; the user itself does not', async () => {
  const { room, chat: ada } = await enterOwned();
  const grace = await chats.enter(room);
  await joinAs(ada, 'Ada');
  await ada.page.getByLabel('Message', { exact: true }).pressSequentially('Hello');
  await grace.waitUntilShown('typing', /^Ada is typing…$/);
  await ada.page.getByLabel('Message', { exact: true }).press('Enter');
  await grace.waitForTexts('Hello');
  await waitUntilQuiet(grace);
  assert.deepEqual(await ada.textsOf('typing'), []);
  await ada.close();
  await grace.close();
});

test('while a user types, the server is told at most every few seconds', async () => {
  const { chat } = await enterOwned();
  await joinAs(chat, 'Ada');
  let told = 0;
  await chat.page.route('**/graphql', (route) => {
    if (route.request().postData()?.includes('setTyping')) told += 1;
    return route.fallback();
  });
  // Time stands still while the user types.
  await chat.page.clock.install();
  await chat.page.clock.pauseAt((await chat.page.evaluate(() => Date.now())) + 60_000);
  await chat.page.getByLabel('Message', { exact: true }).pressSequentially('a long message');
  await until(() => told > 0);
  await chat.page.clock.runFor(4_500);
  await chat.page.getByLabel('Message', { exact: true }).pressSequentially(', and more');
  await until(() => told > 1);
  assert.equal(told, 2);
  await chat.close();
});

const SECRET = 'a secret of the site and the server';

/** An identity of Ada Lovelace, with a picture, as a host site signs it. */
function signIdentity(changes) {
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const claims = { sub: 'ada', name: 'Ada Lovelace', picture: `${PICTURES}/ada.png`, exp: Math.floor(Date.now() / 1_000) + 600, ...changes };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
}

/** Opens a room in which Ada has said hello with her identity. `picture(route)` answers requests for her picture. */
async function enterWithIdentity(picture) {
  const server = await startServer({ IDENTITY: 'optional', IDENTITY_SECRET: SECRET });
  const room = await createOwnedRoom(server.graphql);
  await (await room.join(undefined, signIdentity())).send('hello');
  const prepare = (page) => page.route(`${PICTURES}/**`, picture);
  return { server, chat: await chats.enter(room, { url: server.url, pictures: PICTURES, prepare }) };
}

test('the picture of a verified user covers the initials, and is requested without saying from where', async () => {
  const requests = [];
  const { server, chat } = await enterWithIdentity((route) => {
    requests.push(route.request());
    return route.fulfill({ contentType: 'image/png', body: PICTURE });
  });
  const picture = chat.row('hello').locator('.avatar img.loaded');
  await picture.waitFor();
  assert.equal(await picture.getAttribute('alt'), '');
  const { referer } = await requests[0].allHeaders();
  assert.equal(referer, undefined);
  await chat.row('hello').locator('.verified').getByText('verified').waitFor({ state: 'attached' });
  assert.equal(await chat.row('hello').locator('.name').textContent(), 'Ada Lovelace');
  await chat.send('I am nobody');
  assert.equal(await chat.row('I am nobody').locator('.verified').count(), 0);
  await chat.close();
  await server.stop();
});

test('if a picture cannot be loaded, the initials are shown', async () => {
  const { server, chat } = await enterWithIdentity((route) => route.fulfill({ status: 404 }));
  await until(async () => (await chat.row('hello').locator('.avatar img').count()) === 0);
  assert.equal(await chat.row('hello').locator('.avatar').textContent(), 'AL');
  await chat.close();
  await server.stop();
});

test('where only users of the site may write, the page says so, and everybody can read', async () => {
  const server = await startServer({ IDENTITY: 'required', IDENTITY_SECRET: SECRET });
  const room = await createOwnedRoom(server.graphql);
  const ada = await room.join(undefined, signIdentity());
  const chat = await chats.enter(room, { url: server.url });
  await chat.submit('may I?');
  await chat.page.locator('.access', { hasText: 'Only users with an account of the site can write here' }).waitFor();
  assert.ok(await chat.page.getByLabel('Message', { exact: true }).isDisabled());
  await ada.type();
  await chat.waitUntilShown('typing', /^Ada Lovelace is typing…$/);
  await chat.close();
  await server.stop();
});

test('a link with an identity lets its user write there, and another link renews it', async () => {
  const server = await startServer({ IDENTITY: 'required', IDENTITY_SECRET: SECRET });
  const room = await createOwnedRoom(server.graphql);
  const link = (identity) => `${fragmentOf(room)}&identity=${identity}`;
  const chat = await chats.open({ url: server.url, fragment: link(signIdentity({ picture: undefined })) });
  await chat.waitUntilLive();
  assert.equal(chat.fragment, fragmentOf(room), 'the identity is not left in the address');
  await until(async () => (await namesIn(chat, 'Here now')).join() === 'Ada Lovelace');
  await chat.send('hello');
  await chat.row('hello').locator('.verified').waitFor();
  const renewed = signIdentity({ picture: undefined, name: 'Ada King' });
  await chat.page.evaluate((fragment) => location.replace(fragment), link(renewed));
  await chat.page.waitForFunction((fragment) => location.hash === fragment, fragmentOf(room));
  const sent = chat.page.waitForRequest((request) => request.postData()?.includes('sendMessage'));
  await chat.send('hello again');
  assert.equal((await sent).postDataJSON().variables.input.token, renewed);
  assert.deepEqual(await chat.states(), ['live'], 'the room was not entered again');
  await chat.close();
  await server.stop();
});

test('with server-sent events, all tabs take two connections together, and show who is here and who has written', async () => {
  const room = await createOwnedRoom(chats.server.graphql);
  await (await room.join('Ada')).send('hello');
  const first = await chats.enter(room, withoutWebSockets);
  const second = await chats.enter(room, { context: first.context, ...withoutWebSockets });
  await joinAs(first, 'Grace');
  for (const chat of [first, second]) {
    await until(async () => (await namesIn(chat, 'Wrote earlier')).join() === 'Ada');
    await until(async () => (await namesIn(chat, 'Here now')).join() === 'Grace');
    await chat.page.locator('.viewer-count', { hasText: '1 here now' }).waitFor();
  }
  const open = () => [...first.streams, ...second.streams].filter((request) => !request.failure());
  await until(() => open().length === 2, () => `${open().length} are open`);
  await first.close();
});
