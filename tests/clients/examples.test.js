// The pages in examples/ and in the README, each served by another site. `make test` installs what they need.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { authorIn } from './support/author.js';
import { openBrowser } from './support/browser.js';
import { startServer } from './support/server.js';
import { startSite } from './support/site.js';
import { until } from './support/until.js';

let server;
let browser;

before(async () => ([server, browser] = await Promise.all([startServer(), openBrowser()])));

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Starts a site with these contents. */
async function start(t, contents) {
  const site = await startSite(server, contents);
  t.after(() => site.close());
  return visit(t, site.url);
}

/** `open()` opens the page at `address` as another visitor. */
function visit(t, address) {
  const faults = [];

  /** Opens the page at the address that the previous visitor sees. */
  async function open() {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    page.on('pageerror', (error) => faults.push(error.stack));
    page.on('console', (message) => {
      if (/Content Security Policy|Trusted/.test(message.text())) faults.push(message.text());
    });
    const requests = [];
    page.on('request', (request) => requests.push(`${request.method()} ${new URL(request.url()).pathname}`));
    await page.goto(address);
    await page.waitForLoadState('load');
    return {
      page,
      /** What this visitor's page has requested. */
      requests,
      /** Waits until the page has a room, and lets the next visitor open the same address. */
      async share() {
        await page.waitForFunction(() => location.hash.includes('/'));
        address = page.url();
      },
      async send(text, { name } = {}) {
        if (name) await page.getByLabel('Your name').fill(name);
        await page.getByLabel('Message', { exact: true }).fill(text);
        await page.getByRole('button', { name: 'Send' }).click();
      },
      waitFor: (text) => page.getByText(text, { exact: true }).first().waitFor(),
    };
  }
  return { open, faults };
}

/** Two visitors chat in a page with the element. */
async function chatInElement({ open, faults }) {
  const ada = await open();
  await ada.share();
  const grace = await open();
  await ada.send('Hello', { name: 'Ada' });
  await grace.waitFor('Hello');
  await grace.send('Hello, Ada', { name: 'Grace' });
  await ada.waitFor('Hello, Ada');
  await ada.waitFor('Grace');
  assert.deepEqual(faults, []);
}

/** The page in the README. */
async function newcomersPage() {
  const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8');
  return /```html\n([^]*?)```/.exec(readme)[1];
}

test('the page of a newcomer in the README is a working chat in at most 15 lines', async (t) => {
  const page = await newcomersPage();
  assert.ok(page.trimEnd().split('\n').length <= 15);
  await chatInElement(await start(t, { page }));
});

test('the page of a newcomer can be opened as a file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'livechat-page-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'index.html');
  await writeFile(file, (await newcomersPage()).replaceAll('127.0.0.1:8001', new URL(server.url).host));
  await chatInElement(visit(t, `file://${file}`));
});

test('visitors of the static page chat, under its content security policy', async (t) => {
  await chatInElement(await start(t, { folder: 'examples/static-page' }));
});

test('visitors of the React page chat, delete messages and see who is here', async (t) => {
  const { open, faults } = await start(t, { folder: 'examples/react-page' });
  const enter = async (name) => {
    const visitor = await open();
    await visitor.page.getByLabel('Your name').fill(name);
    await visitor.page.getByRole('button', { name: 'Enter' }).click();
    await visitor.share();
    return visitor;
  };
  const ada = await enter('Ada');
  const grace = await enter('Grace');
  await ada.page.getByText(/^Here: (Ada, Grace|Grace, Ada)$/).waitFor();
  await ada.send('Hello');
  await grace.page.locator('li.sent', { hasText: 'Ada Hello' }).waitFor();
  await grace.send('Hello, Ada');
  await ada.page.locator('li.sent', { hasText: 'Grace Hello, Ada' }).waitFor();
  await ada.page.getByRole('button', { name: 'Delete' }).click();
  await grace.page.locator('li', { hasText: 'Ada deleted' }).waitFor();
  assert.deepEqual(faults, []);
});

const WEBSITE = 'examples/original-website';
const TAG = /\n.*<script src="[^"]*\/client\/legacy\.js"><\/script>/;

/** Opens the page of the original website's style with a room that holds an attack. Returns it with an author in the room. */
async function openWebsite(t, edit) {
  const site = await start(t, { folder: WEBSITE, edit });
  const ada = await site.open();
  await ada.share();
  const [id, roomCode] = new URL(ada.page.url()).hash.slice(1).split('/');
  const key = { roomId: `room:*${id}`, roomCode };
  const attack = (what) => `<img src=x onerror="document.title = 'attacked by a ${what}'">`;
  const body = { room_id: key.roomId, room_code: roomCode, user_id: `somebody-${randomUUID()}`, display_name: attack('name'), message: attack('text') };
  const headers = { 'content-type': 'application/json' };
  const sent = await fetch(`${server.url}/room/message/send`, { method: 'POST', headers, body: JSON.stringify(body) });
  assert.equal(sent.status, 200);
  return { ...site, ada, grace: await site.open(), author: authorIn(key, server.graphql), attack };
}

test('without the script tag, names and texts become markup in the page of the original website', async (t) => {
  const { grace } = await openWebsite(t, (text, path) => (path === '/index.html' ? text.replace(TAG, '') : text));
  await grace.page.waitForFunction(() => document.title.startsWith('attacked'));
});

test('with the script tag, the page of the original website is live and shows names and texts as they are', async (t) => {
  const { ada, grace, author, attack, faults } = await openWebsite(t);
  const reads = ({ requests }) => requests.filter((request) => request.endsWith('/room/'));
  for (const visitor of [ada, grace]) {
    const { page, waitFor } = visitor;
    await waitFor(attack('text'));
    await waitFor(attack('name'));
    assert.equal(await page.locator('.chat-msgs-box img').count(), 0);
    // What the page reads again and puts into the box itself changes nothing, and costs no request.
    await page.waitForFunction(() => !jQuery.active);
    const before = reads(visitor).length;
    await page.evaluate(() => openRoom(room.id, room.code));
    await page.waitForFunction(() => !jQuery.active);
    await waitFor(attack('text'));
    assert.equal(reads(visitor).length, before);
    visitor.requests.length = 0;
  }

  await ada.send('Hello', { name: '<b>Ada</b>' });
  await grace.waitFor('Hello');
  await grace.waitFor('<b>Ada</b>');
  await grace.send(attack('guest'), { name: 'Grace' });
  await ada.waitFor(attack('guest'));
  await ada.send('Hello, Grace');
  await grace.waitFor('Hello, Grace');
  const mine = await author.send('soon edited');
  await ada.waitFor('soon edited');
  await author.edit(mine, 'edited');
  await ada.waitFor('edited');
  await author.delete(mine);
  await ada.page.getByText('edited', { exact: true }).waitFor({ state: 'detached' });

  const shown = [attack('text'), 'Hello', attack('guest'), 'Hello, Grace'];
  for (const visitor of [ada, grace]) {
    const { page } = visitor;
    const texts = () => page.locator('.chat-msgs-box .user-msg-con').allTextContents();
    await until(async () => JSON.stringify(await texts()) === JSON.stringify(shown), async () => JSON.stringify(await texts()));
    assert.equal(await page.locator('.chat-msgs-box').locator('img, b').count(), 0);
    assert.equal(await page.title(), 'Live Chat');
    assert.deepEqual(reads(visitor), []);
  }
  assert.deepEqual(faults, []);
});

test('the page of the original website still says why it is refused', async (t) => {
  const { open } = await start(t, { folder: WEBSITE });
  const ada = await open();
  await ada.share();
  await ada.page.evaluate(() => openRoom(room.id, 'wrong'));
  await ada.waitFor('the room code is invaild');
});
