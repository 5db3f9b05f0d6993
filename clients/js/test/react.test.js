// The React hook, with React 18 and 19, in Chromium and on a server.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { after, before, describe, test } from 'node:test';

import { build } from 'esbuild';

import { openBrowser } from '../../../tests/clients/support/browser.js';
import { startServer } from '../../../tests/clients/support/server.js';
import { until } from '../../../tests/clients/support/until.js';
import { openClient, textsOf } from './support/client.js';
import { startSite } from './support/site.js';

/** Where each version of React is installed. */
const VERSIONS = { 18: '../../../tests/clients/', 19: '../' };

const APP = `
  import { createElement as h, StrictMode, useState } from 'react';
  import { LiveChat } from '../src/index.js';
  import { useRoom } from '../src/react.js';

  const chat = new LiveChat(globalThis.serverUrl ?? 'https://chat.example.org');

  function Chat({ room: key }) {
    const { room, state } = useRoom(chat, { ...key, user: { displayName: 'Ada' } });
    return h('main', null,
      h('p', { id: 'connection' }, state.connection),
      h('ul', null, state.messages.map(({ id, text }) => h('li', { key: id }, text))),
      h('button', { onClick: () => room.send('Hello from React') }, 'Send'));
  }

  export function App({ rooms }) {
    const [number, setNumber] = useState(0);
    return h(StrictMode, null,
      h(Chat, { room: rooms[number] }),
      h('a', { onClick: () => setNumber(1 - number) }, 'Other room'));
  }`;

const IN_BROWSER = `${APP}
  import { createRoot } from 'react-dom/client';
  createRoot(document.body.appendChild(document.createElement('div'))).render(h(App, { rooms: globalThis.rooms }));`;

const ON_SERVER = `${APP}
  import { renderToString } from 'react-dom/server';
  export const html = renderToString(h(App, { rooms: [{ roomId: '0', roomCode: '0' }] }));`;

let server;
let browser;

before(async () => ([server, browser] = await Promise.all([startServer(), openBrowser()])));

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Bundles a module with the React of this folder. */
async function bundle(contents, folder, platform) {
  const resolve = createRequire(new URL(folder, import.meta.url)).resolve;
  const alias = Object.fromEntries(['react', 'react-dom'].map((name) => [name, fileURLToPath(new URL('.', `file://${resolve(name)}`))]));
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    alias: Object.fromEntries(Object.entries(alias).map(([name, path]) => [name, path.replace(/\/$/, '')])),
    bundle: true,
    format: platform === 'node' ? 'cjs' : 'iife',
    platform,
    write: false,
  });
  return outputFiles[0].text;
}

for (const [version, folder] of Object.entries(VERSIONS)) {
  describe(`with React ${version}`, () => {
    test('a component shows a room, sends to it, and changes to another one', async (t) => {
      const client = openClient(t, server.url);
      const rooms = [await client.createRoom(), await client.createRoom()];
      const [first, second] = [await client.join(rooms[0]), await client.join(rooms[1])];
      await second.send('the other room');
      const script = await bundle(IN_BROWSER, folder, 'browser');
      const keys = rooms.map(({ roomId, roomCode }) => ({ roomId, roomCode }));
      const site = await startSite({
        '/': `<!doctype html><body><script>serverUrl = '${server.url}'; rooms = ${JSON.stringify(keys)}</script><script src="/app.js"></script>`,
        '/app.js': script,
      });
      t.after(() => site.close());
      const page = await browser.newPage();
      t.after(() => page.close());
      const faults = [];
      page.on('pageerror', (error) => faults.push(error.stack));
      page.on('console', (message) => message.type() === 'error' && !/favicon|404/.test(message.text()) && faults.push(message.text()));
      await page.goto(site.url);
      await page.locator('#connection', { hasText: 'live' }).waitFor();
      assert.ok((await page.evaluate(() => document.body.textContent)).includes('Send'));
      await page.getByRole('button').click();
      await page.locator('li', { hasText: 'Hello from React' }).waitFor();
      await until(() => textsOf(first).includes('Hello from React'));
      await first.send('Hello back');
      await page.locator('li', { hasText: 'Hello back' }).waitFor();
      // The strict mode of React joins twice; one of them has left.
      await until(() => first.state.people.length === 2);
      await page.locator('a').click();
      await page.locator('li', { hasText: 'the other room' }).waitFor();
      assert.equal(await page.locator('li').count(), 1);
      assert.deepEqual(faults, []);
    });

    test('a server renders the component without joining the room', async () => {
      const code = await bundle(ON_SERVER, folder, 'node');
      const module = { exports: {} };
      new Function('module', 'exports', 'require', code)(module, module.exports, createRequire(import.meta.url));
      assert.match(module.exports.html, /<p id="connection">connecting<\/p>/);
    });
  });
}
