// The chat page in a frame of another site, in Chromium.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createRoom } from './support/author.js';
import { openBrowser } from './support/browser.js';
import { fragmentOf } from './support/chat_fixture.js';
import { startServer } from './support/server.js';
import { startSite } from './support/site.js';
import { until } from './support/until.js';

let browser;

before(async () => (browser = await openBrowser()));
after(() => browser?.close());

/** Starts a site and a server that may be framed by `sites(url of the site)`. `open()` opens a page that frames a room. */
async function start(t, sites) {
  const server = {};
  let frame = '';
  const site = await startSite(server, { page: '<!doctype html><title>A site</title>FRAME', edit: (text) => text.replace('FRAME', frame) });
  Object.assign(server, await startServer({ FRAME_ANCESTORS: sites(site.url) }));
  t.after(async () => {
    await site.close();
    await server.stop();
  });
  const room = await createRoom(server.graphql);

  /** `element` frames a page with the element instead of the chat page. */
  async function open({ attributes = '', element = false } = {}) {
    const { roomId, roomCode } = room.key;
    const content = element
      ? `srcdoc="<script type=module src=${server.url}/client/live-chat.js></script><live-chat room=${roomId} code=${roomCode} name=Ada>"`
      : `src="${server.url}/${fragmentOf(room)}"`;
    frame = `<iframe width="800" height="600" ${attributes} ${content}></iframe>`;
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    const messages = [];
    page.on('console', (message) => messages.push(message.text()));
    await page.goto(site.url);
    const chat = page.frameLocator('iframe');
    return {
      page,
      chat,
      messages,
      async send(text) {
        await chat.getByLabel('Message', { exact: true }).fill(text);
        await chat.getByRole('button', { name: 'Send' }).click();
        await chat.locator('.row:not(.pending)', { hasText: text }).waitFor();
      },
    };
  }
  return { server, room, open };
}

for (const [what, sites] of [
  ['named by its origin', (url) => url],
  ['named by a pattern', () => 'http://127.0.0.2:*'],
]) {
  test(`a site that is ${what} shows the chat page in a frame`, async (t) => {
    const { room, open } = await start(t, sites);
    const { page, chat, send } = await open();
    await room.send('Hello');
    await chat.locator('.row', { hasText: 'Hello' }).waitFor();
    // The browser denies storage to frames of other sites.
    const storage = () => { try { return localStorage ? 'allowed' : ''; } catch (error) { return error.name; } };
    assert.equal(await page.frames()[1].evaluate(storage), 'SecurityError');
    await send('Hello from a frame');
  });
}

for (const [what, sites] of [
  ['no site is named', () => ''],
  ['another site is named', () => 'https://site.example, http://127.0.0.1:*'],
]) {
  test(`if ${what}, a site cannot frame the chat page`, async (t) => {
    const { open } = await start(t, sites);
    const { page, chat, messages } = await open();
    await until(() => messages.some((message) => message.includes('frame-ancestors')), () => messages.join('\n'));
    assert.ok(page.frames().every((frame) => !frame.url().startsWith('http://127.0.0.1')), `${page.frames().map((frame) => frame.url())}`);
    assert.equal(await chat.locator('#app').count(), 0);
  });
}

test('the chat page chats in a sandboxed frame, which has no storage', async (t) => {
  const { room, open } = await start(t, (url) => url);
  const { chat, send } = await open({ attributes: 'sandbox="allow-scripts allow-forms"' });
  await send('one');
  await send('two');
  await room.send('an answer');
  await chat.locator('.row', { hasText: 'an answer' }).waitFor();
  // Both messages are of one user.
  await until(async () => (await chat.locator('.row.mine').count()) === 2);
});

test('the element chats in a frame without storage', async (t) => {
  const { room, open } = await start(t, () => '');
  const { chat } = await open({ attributes: 'sandbox="allow-scripts allow-forms"', element: true });
  for (const text of ['one', 'two']) {
    await chat.getByLabel('Message', { exact: true }).fill(text);
    await chat.getByRole('button', { name: 'Send' }).click();
    await chat.locator('li:not(.pending)', { hasText: text }).waitFor();
  }
  await room.send('an answer');
  await chat.getByText('an answer').waitFor();
  await until(async () => (await chat.getByRole('button', { name: 'Edit' }).count()) === 2);
});
