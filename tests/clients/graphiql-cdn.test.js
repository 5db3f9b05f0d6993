// The GraphiQL of a server that was built without one, in a real Chromium: a first chat, from the making of a room to the
// deletion of a message.
//
// The page loads GraphiQL from a CDN. Here the same files come from the npm packages, so that the test needs no internet;
// the browser still holds them against the integrity hashes in the page.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { openBrowser } from './support/browser.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

const CDN = 'https://cdn.jsdelivr.net/npm/';

let server;
let browser;

before(async () => {
  server = await startServer({ GRAPHIQL: 'cdn' });
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function openGraphiql() {
  const page = await browser.newPage();
  const foreign = [];
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(server.url) && !url.startsWith(CDN) && !url.startsWith('data:')) foreign.push(url);
  });
  await page.route(`${CDN}**`, async (route) => {
    const [, name, file] = /^([^@]+)@[^/]+\/(.+)$/.exec(route.request().url().slice(CDN.length));
    const folder = { 'graphql-ws': 'graphql-ws-5' }[name] ?? name; // the other tests use a later one
    const body = await readFile(new URL(`node_modules/${folder}/${file}`, import.meta.url));
    const contentType = file.endsWith('.css') ? 'text/css' : 'text/javascript';
    await route.fulfill({ body, contentType, headers: { 'access-control-allow-origin': '*' } });
  });
  await page.goto(`${server.url}/graphiql`);
  await page.waitForSelector('.graphiql-execute-button');
  return { page, foreign };
}

async function setVariables(page, variables) {
  await page.evaluate(
    (text) => document.querySelector('.graphiql-editor-tool .CodeMirror').CodeMirror.setValue(text),
    JSON.stringify(variables),
  );
}

async function result(page) {
  return page.evaluate(() => document.querySelector('.result-window .CodeMirror').CodeMirror.getValue());
}

/** Waits until the result of the current tab, read as JSON, is as wanted. */
async function resultThat(page, isWanted) {
  const deadline = Date.now() + 20_000;
  let text = '';
  while (Date.now() < deadline) {
    text = await result(page);
    try {
      const value = JSON.parse(text);
      if (isWanted(value)) return value;
    } catch {
      // Not whole yet.
    }
    await page.waitForTimeout(50);
  }
  assert.fail(`the result never became what it should, but is ${text}`);
}

/** Goes to a tab and runs what stands there, once it does. */
async function run(page, step, variables) {
  await page.locator('.graphiql-tab-button').filter({ hasText: new RegExp(`^${step}$`) }).press('Enter');
  // GraphiQL learns the name of the operation a moment after the text is there, and asks for the one it knows.
  await page.waitForFunction(
    (name) => document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.operationName === name,
    step,
  );
  if (variables) await setVariables(page, variables);
  await page.click('.graphiql-execute-button');
}

test('a first chat in GraphiQL from the CDN: create, subscribe, send, edit, delete', async () => {
  const watcher = await openGraphiql();
  await run(watcher.page, 'createRoom');
  const created = await resultThat(watcher.page, (value) => value.data?.createRoom);
  const { id: roomId, code: roomCode } = created.data.createRoom.room;

  const variables = { roomId, roomCode };
  await run(watcher.page, 'messageEvents', variables);
  // The subscription counts as a viewer once the server has taken it.
  const room = `{ room(id: "${roomId}", code: "${roomCode}") { viewerCount } }`;
  await until(async () => (await server.graphql(room)).data.room.viewerCount === 1);

  const writer = await openGraphiql();
  await run(writer.page, 'sendMessage', variables);
  const { sendMessage } = (await resultThat(writer.page, (value) => value.data?.sendMessage)).data;
  await resultThat(watcher.page, (value) => value.data?.messageEvents?.message.text === 'Hello');

  Object.assign(variables, { userId: sendMessage.author.id, messageId: sendMessage.message.id });
  await run(writer.page, 'editMessage', { ...variables, token: sendMessage.token });
  const { editMessage } = (await resultThat(writer.page, (value) => value.data?.editMessage)).data;
  await resultThat(watcher.page, (value) => value.data?.messageEvents?.message.text === 'Mended');

  await run(writer.page, 'deleteMessage', { ...variables, token: editMessage.token });
  const last = await resultThat(watcher.page, (value) => value.data?.messageEvents?.message.deletedAt);
  assert.equal(last.data.messageEvents.__typename, 'MessageDeleted');
  assert.equal(last.data.messageEvents.message.text, null);
  assert.match(await watcher.page.getByRole('note').textContent(), /from a CDN .* make graphiql/s);
  assert.deepEqual([...watcher.foreign, ...writer.foreign], []);
});
