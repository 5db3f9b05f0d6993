// GraphiQL as it is built in, in a real Chromium: a first chat by its tabs, without the internet, below a path and behind
// TLS, and whether everybody can use it.

import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { assertAccessible } from './support/accessible.js';
import { openBrowser } from './support/browser.js';
import { startServer } from './support/server.js';
import { openTlsProxy } from './support/tls.js';
import { until } from './support/until.js';

const PICTURES = new URL('../../docs/pictures/', import.meta.url);

/** What axe-core finds in GraphiQL itself, which this page cannot mend. */
const ACCESSIBLE_BUT = {
  // Its tabs hold a button to go there and one to close them.
  'nested-interactive': '.graphiql-tab',
};

let browser;

before(async () => {
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
});

/** Somebody with a browser of their own, who writes down what their pages ask for. */
async function openVisitor(url) {
  const options = { ignoreHTTPSErrors: true, viewport: { width: 1280, height: 800 }, colorScheme: 'light' };
  const context = await browser.newContext(options);
  const visitor = { asked: [], sockets: [], complaints: [] };
  context.on('request', (request) => visitor.asked.push(request.url()));
  context.on('weberror', (error) => visitor.complaints.push(String(error.error())));
  context.on('console', (message) => {
    if (message.type() === 'error') visitor.complaints.push(message.text());
  });
  visitor.open = async () => {
    const page = await context.newPage();
    page.on('websocket', (socket) => visitor.sockets.push(socket.url()));
    await page.goto(`${url}/graphiql`);
    await page.waitForSelector('.graphiql-query-editor .view-line');
    return page;
  };
  visitor.leave = () => context.close();
  return visitor;
}

/** Goes to a tab and runs what stands there. */
async function run(page, step) {
  await page.getByRole('tab').getByRole('button', { name: step, exact: true }).click();
  await page.getByRole('button', { name: /^Execute query/ }).click();
}

/** The text of one of the editors: operation, variables, response. */
function text(page, editor) {
  return page.evaluate((name) => {
    const models = globalThis.__MONACO?.editor.getModels() ?? [];
    return models.find(({ uri }) => new RegExp(`${name}\\.\\w+$`).test(uri.path))?.getValue() ?? '';
  }, editor);
}

/** Waits until the response of the tab that is shown, read as JSON, is as wanted. */
async function responseThat(page, isWanted) {
  let answer;
  const isThere = async () => {
    try {
      answer = JSON.parse(await text(page, 'response'));
    } catch {
      return false; // Not whole yet.
    }
    return isWanted(answer);
  };
  await until(isThere, () => `The response is ${JSON.stringify(answer)}`);
  return answer;
}

/** A first chat by the tabs, nothing copied by hand: one window watches, and from the middle on another one writes. */
async function firstChat(visitor) {
  const watcher = await visitor.open();
  await run(watcher, 'createRoom');
  await responseThat(watcher, ({ data }) => data?.createRoom);
  await run(watcher, 'sendMessage');
  const { data } = await responseThat(watcher, ({ data }) => data?.sendMessage);
  await run(watcher, 'messageEvents');
  await responseThat(watcher, ({ data }) => data?.messageEvents?.message.text === 'Hello');

  const { token } = data.sendMessage;
  await until(() => watcher.evaluate((token) => localStorage.getItem('graphiql:tabState').includes(token), token));
  const writer = await visitor.open();
  await run(writer, 'editMessage');
  await responseThat(writer, ({ data }) => data?.editMessage);
  await responseThat(watcher, ({ data }) => data?.messageEvents?.__typename === 'MessageEdited');
  await run(writer, 'deleteMessage');
  await responseThat(writer, ({ data }) => data?.deleteMessage);
  const last = await responseThat(watcher, ({ data }) => data?.messageEvents?.__typename === 'MessageDeleted');
  assert.equal(last.data.messageEvents.message.text, null);
  await run(writer, 'room');
  const shown = await responseThat(writer, ({ data }) => data?.room);
  assert.equal(shown.data.room.viewerCount, 1);
}

test('a first chat by the tabs of GraphiQL asks nobody but the server', async () => {
  const server = await startServer();
  const visitor = await openVisitor(server.url);
  try {
    await firstChat(visitor);
    assert.ok(visitor.asked.some((url) => url.includes('worker')), 'the workers of the editors were not seen');
    const foreign = visitor.asked.filter((url) => !/^(data|blob):/.test(url) && new URL(url).origin !== server.url);
    assert.deepEqual(foreign, []);
    assert.deepEqual(new Set(visitor.sockets), new Set([`${server.url.replace('http', 'ws')}/graphql`]));
    // A policy that is violated is a complaint.
    assert.deepEqual(visitor.complaints, []);
  } finally {
    await visitor.leave();
    await server.stop();
  }
});

test('GraphiQL works below a path and behind TLS', async () => {
  const server = await startServer({ BASE_PATH: '/some/chat' });
  const proxy = await openTlsProxy(server.url);
  const visitor = await openVisitor(proxy.url);
  try {
    assert.ok(proxy.url.endsWith('/some/chat'));
    const page = await visitor.open();
    await run(page, 'createRoom');
    await responseThat(page, ({ data }) => data?.createRoom);
    await run(page, 'sendMessage');
    await responseThat(page, ({ data }) => data?.sendMessage);
    await run(page, 'messageEvents');
    await responseThat(page, ({ data }) => data?.messageEvents?.message.text === 'Hello');
    const foreign = visitor.asked.filter((url) => !/^(data|blob):/.test(url) && !url.startsWith(`${proxy.url}/`));
    assert.deepEqual(foreign, []);
    assert.deepEqual(new Set(visitor.sockets), new Set([`${proxy.url.replace('http', 'ws')}/graphql`]));
    assert.deepEqual(visitor.complaints, []);
  } finally {
    await visitor.leave();
    await proxy.close();
    await server.stop();
  }
});

test('the licences of what is built in come along', async () => {
  const server = await startServer();
  try {
    const { devDependencies } = JSON.parse(await readFile(new URL('../../graphiql/package.json', import.meta.url), 'utf8'));
    const licenses = await (await fetch(`${server.url}/graphiql/licenses.md`)).text();
    for (const [name, version] of Object.entries(devDependencies)) {
      const isThere = licenses.includes(`## ${name} - ${version} (`);
      assert.equal(isThere, name !== 'vite', name);
    }
    assert.match(licenses, /nodejs path library/, 'what Monaco has in it is told, too');
  } finally {
    await server.stop();
  }
});

test('axe-core finds nothing on the page that is ours', async () => {
  const server = await startServer();
  const visitor = await openVisitor(server.url);
  try {
    const page = await visitor.open();
    await run(page, 'createRoom');
    await responseThat(page, ({ data }) => data?.createRoom);
    await assertAccessible(page, ACCESSIBLE_BUT);
    if (process.env.PICTURES) await picture(page);
  } finally {
    await visitor.leave();
    await server.stop();
  }
});

/** The picture of the README. */
async function picture(page) {
  await run(page, 'sendMessage');
  await responseThat(page, ({ data }) => data?.sendMessage);
  await run(page, 'messageEvents');
  await responseThat(page, ({ data }) => data?.messageEvents);
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: new URL('graphiql.png', PICTURES).pathname });
}
