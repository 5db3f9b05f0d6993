// GraphiQL from the CDN, of a server that was built without one, in Chromium: a chat from the creation of a room to the deletion
// of a message.
//
// Here the files of the CDN come from the npm packages, so the test needs no internet access. The browser still checks them
// against the integrity hashes in the page.

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
    const folder = { 'graphql-ws': 'graphql-ws-5' }[name] ?? name; // other tests use a later version
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

async function resultText(page) {
  return page.evaluate(() => document.querySelector('.result-window .CodeMirror').CodeMirror.getValue());
}

/** Waits until the result of the current tab, parsed as JSON, meets the condition. Returns it. */
async function waitForResult(page, condition) {
  let text = '';
  let value;
  const isMet = async () => {
    text = await resultText(page);
    try {
      value = JSON.parse(text);
    } catch {
      return false; // Not complete yet.
    }
    return condition(value);
  };
  await until(isMet, () => `The result is ${text}`);
  return value;
}

/** Selects a tab and runs its operation once it is loaded. */
async function run(page, step, variables) {
  await page.locator('.graphiql-tab-button').filter({ hasText: new RegExp(`^${step}$`) }).press('Enter');
  // GraphiQL updates the operation name a moment after the text, and would run the previous operation.
  await page.waitForFunction(
    (name) => document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.operationName === name,
    step,
  );
  if (variables) await setVariables(page, variables);
  await page.click('.graphiql-execute-button');
}

test('create, subscribe, send, edit and delete in GraphiQL from the CDN', async () => {
  const watcher = await openGraphiql();
  await run(watcher.page, 'createRoom');
  const created = await waitForResult(watcher.page, (value) => value.data?.createRoom);
  const { id: roomId, code: roomCode } = created.data.createRoom.room;

  const variables = { roomId, roomCode };
  await run(watcher.page, 'messageEvents', variables);
  // The subscription counts as a viewer once the server has accepted it.
  const room = `{ room(id: "${roomId}", code: "${roomCode}") { viewerCount } }`;
  await until(async () => (await server.graphql(room)).data.room.viewerCount === 1);

  const writer = await openGraphiql();
  await run(writer.page, 'sendMessage', variables);
  const { sendMessage } = (await waitForResult(writer.page, (value) => value.data?.sendMessage)).data;
  await waitForResult(watcher.page, (value) => value.data?.messageEvents?.message.text === 'Hello');

  Object.assign(variables, { userId: sendMessage.author.id, messageId: sendMessage.message.id });
  await run(writer.page, 'editMessage', { ...variables, token: sendMessage.token });
  const { editMessage } = (await waitForResult(writer.page, (value) => value.data?.editMessage)).data;
  await waitForResult(watcher.page, (value) => value.data?.messageEvents?.message.text === 'Hello, all');

  await run(writer.page, 'deleteMessage', { ...variables, token: editMessage.token });
  const last = await waitForResult(watcher.page, (value) => value.data?.messageEvents?.message.deletedAt);
  assert.equal(last.data.messageEvents.__typename, 'MessageDeleted');
  assert.equal(last.data.messageEvents.message.text, null);
  assert.match(await watcher.page.getByRole('note').textContent(), /from a CDN .* make graphiql/s);
  assert.deepEqual([...watcher.foreign, ...writer.foreign], []);
});
