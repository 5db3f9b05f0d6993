// The embedded GraphiQL in Chromium: a chat with its example tabs, without internet access, below a base path and behind TLS,
// and its accessibility.

import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { assertAccessible } from './support/accessible.js';
import { openBrowser } from './support/browser.js';
import { startServer } from './support/server.js';
import { openTlsProxy } from './support/tls.js';
import { until } from './support/until.js';

const PICTURES = new URL('../../docs/pictures/', import.meta.url);

/** Violations in GraphiQL itself, which our page cannot fix. */
const EXCEPTIONS = {
  // A tab contains a button to select it and one to close it.
  'nested-interactive': '.graphiql-tab',
};

let browser;

before(async () => {
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
});

/** Opens a browser profile that records the requests, WebSockets and errors of its pages. */
async function openVisitor(url) {
  const options = { ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, colorScheme: 'light' };
  const context = await browser.newContext(options);
  const visitor = { requests: [], sockets: [], errors: [] };
  context.on('request', (request) => visitor.requests.push(request.url()));
  context.on('weberror', (error) => visitor.errors.push(String(error.error())));
  context.on('console', (message) => {
    if (message.type() === 'error') visitor.errors.push(message.text());
  });
  visitor.open = async () => {
    const page = await context.newPage();
    page.on('websocket', (socket) => visitor.sockets.push(socket.url()));
    await page.goto(`${url}/graphiql`);
    await page.waitForSelector('.graphiql-query-editor .view-line');
    return page;
  };
  visitor.close = () => context.close();
  return visitor;
}

/** Selects a tab and runs its operation. */
async function run(page, step) {
  await page.getByRole('tab').getByRole('button', { name: step, exact: true }).click();
  await page.getByRole('button', { name: /^Execute query/ }).click();
}

/** Returns the text of an editor: operation, variables or response. */
function text(page, editor) {
  return page.evaluate((name) => {
    const models = globalThis.__MONACO?.editor.getModels() ?? [];
    return models.find(({ uri }) => new RegExp(`${name}\\.\\w+$`).test(uri.path))?.getValue() ?? '';
  }, editor);
}

/** Waits until the response of the current tab, parsed as JSON, meets the condition. Returns it. */
async function waitForResponse(page, condition) {
  let response;
  const isMet = async () => {
    try {
      response = JSON.parse(await text(page, 'response'));
    } catch {
      return false; // Not complete yet.
    }
    return condition(response);
  };
  await until(isMet, () => `The response is ${JSON.stringify(response)}`);
  return response;
}

/** Chats with the example tabs, without copying anything by hand: one page subscribes, later a second one edits and deletes. */
async function firstChat(visitor) {
  const watcher = await visitor.open();
  await run(watcher, 'createRoom');
  await waitForResponse(watcher, ({ data }) => data?.createRoom);
  await run(watcher, 'sendMessage');
  const { data } = await waitForResponse(watcher, ({ data }) => data?.sendMessage);
  await run(watcher, 'messageEvents');
  await waitForResponse(watcher, ({ data }) => data?.messageEvents?.message.text === 'Hello');

  const { token } = data.sendMessage;
  await until(() => watcher.evaluate((token) => localStorage.getItem('graphiql:tabState').includes(token), token));
  const writer = await visitor.open();
  await run(writer, 'editMessage');
  await waitForResponse(writer, ({ data }) => data?.editMessage);
  await waitForResponse(watcher, ({ data }) => data?.messageEvents?.__typename === 'MessageEdited');
  await run(writer, 'deleteMessage');
  await waitForResponse(writer, ({ data }) => data?.deleteMessage);
  const last = await waitForResponse(watcher, ({ data }) => data?.messageEvents?.__typename === 'MessageDeleted');
  assert.equal(last.data.messageEvents.message.text, null);
  await run(writer, 'room');
  const shown = await waitForResponse(writer, ({ data }) => data?.room);
  assert.equal(shown.data.room.viewerCount, 1);
}

test('a chat with the tabs of GraphiQL contacts only the server', async () => {
  const server = await startServer();
  const visitor = await openVisitor(server.url);
  try {
    await firstChat(visitor);
    assert.ok(visitor.requests.some((url) => url.includes('worker')), 'no worker of the editors was loaded');
    const foreign = visitor.requests.filter((url) => !/^(data|blob):/.test(url) && new URL(url).origin !== server.url);
    assert.deepEqual(foreign, []);
    assert.deepEqual(new Set(visitor.sockets), new Set([`${server.url.replace('http', 'ws')}/graphql`]));
    // Violations of the policy are errors, too.
    assert.deepEqual(visitor.errors, []);
  } finally {
    await visitor.close();
    await server.stop();
  }
});

test('GraphiQL works below a base path and behind TLS', async () => {
  const server = await startServer({ BASE_PATH: '/some/chat' });
  const proxy = await openTlsProxy(server.url);
  const visitor = await openVisitor(proxy.url);
  try {
    assert.ok(proxy.url.endsWith('/some/chat'));
    const page = await visitor.open();
    await run(page, 'createRoom');
    await waitForResponse(page, ({ data }) => data?.createRoom);
    await run(page, 'sendMessage');
    await waitForResponse(page, ({ data }) => data?.sendMessage);
    await run(page, 'messageEvents');
    await waitForResponse(page, ({ data }) => data?.messageEvents?.message.text === 'Hello');
    const foreign = visitor.requests.filter((url) => !/^(data|blob):/.test(url) && !url.startsWith(`${proxy.url}/`));
    assert.deepEqual(foreign, []);
    assert.deepEqual(new Set(visitor.sockets), new Set([`${proxy.url.replace('http', 'ws')}/graphql`]));
    assert.deepEqual(visitor.errors, []);
  } finally {
    await visitor.close();
    await proxy.close();
    await server.stop();
  }
});

test('the licenses of the embedded packages are served', async () => {
  const server = await startServer();
  try {
    const { devDependencies } = JSON.parse(await readFile(new URL('../../graphiql/package.json', import.meta.url), 'utf8'));
    const licenses = await (await fetch(`${server.url}/graphiql/licenses.md`)).text();
    for (const [name, version] of Object.entries(devDependencies)) {
      const isThere = licenses.includes(`## ${name} - ${version} (`);
      assert.equal(isThere, name !== 'vite', name);
    }
    assert.match(licenses, /nodejs path library/, 'the packages inside Monaco are listed, too');
  } finally {
    await server.stop();
  }
});

test('axe-core finds no violation on our page', async () => {
  const server = await startServer();
  const visitor = await openVisitor(server.url);
  try {
    const page = await visitor.open();
    await run(page, 'createRoom');
    await waitForResponse(page, ({ data }) => data?.createRoom);
    await assertAccessible(page, EXCEPTIONS);
    if (process.env.PICTURES) await takeScreenshot(page);
  } finally {
    await visitor.close();
    await server.stop();
  }
});

/** Writes the screenshot of the README. */
async function takeScreenshot(page) {
  await run(page, 'sendMessage');
  await waitForResponse(page, ({ data }) => data?.sendMessage);
  await run(page, 'messageEvents');
  await waitForResponse(page, ({ data }) => data?.messageEvents);
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: new URL('graphiql.png', PICTURES).pathname });
}
