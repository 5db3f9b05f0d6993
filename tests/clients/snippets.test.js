// Tests the snippets of docs/clients.md: each one chats, loses its connection, and then shows the same messages as other clients.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { DELETE, EDIT, SEND } from './snippets/chat.js';
import { authorIn, createRoom } from './support/author.js';
import { openBrowser } from './support/browser.js';
import { openProxy } from './support/proxy.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Chats through `openChat`, with a connection that is cut and a server that is restored from a backup. */
async function chat(openChat) {
  const server = await startServer();
  const proxy = await openProxy(server.url);
  const { key } = await createRoom(server.graphql);
  const friend = authorIn(key, server.graphql);
  await friend.send('sent before');
  let shown = [];
  const shownTexts = () => shown.map(({ text }) => text);
  const waitForTexts = (...texts) =>
    until(() => JSON.stringify(shownTexts()) === JSON.stringify(texts), () => `It shows ${JSON.stringify(shown)}`);
  let mine;
  const send = (text) => mine.act(SEND, { text, clientMessageId: crypto.randomUUID() });
  try {
    mine = await openChat(proxy.url, key, (messages) => (shown = messages));
    await waitForTexts('sent before');
    await send('mine');
    await waitForTexts('sent before', 'mine');
    const { id } = shown[1];
    await mine.act(EDIT, { messageId: id, text: 'mine, mended' });
    await waitForTexts('sent before', 'mine, mended');
    const theirs = await friend.send('theirs');
    await waitForTexts('sent before', 'mine, mended', 'theirs');
    proxy.refuse();
    proxy.cut();
    await friend.edit(theirs, 'theirs, mended');
    await friend.send('sent meanwhile');
    proxy.accept();
    await waitForTexts('sent before', 'mine, mended', 'theirs, mended', 'sent meanwhile');
    // An action whose connection is lost is repeated, but takes effect once.
    proxy.refuse();
    proxy.cut();
    const before = proxy.refused;
    const sending = send('sent while disconnected');
    await until(() => proxy.refused > before);
    proxy.accept();
    await sending;
    await friend.delete(theirs);
    await mine.act(DELETE, { messageId: id });
    const all = ['sent before', null, null, 'sent meanwhile', 'sent while disconnected'];
    await waitForTexts(...all);
    // The user stays the same from the first action to the last.
    assert.equal(shown.filter(({ author }) => author.id === shown[1].author.id).length, 2);
    // The server is restored without the last message, so it refuses the cursor of that message.
    const restore = await server.backUp();
    await friend.send('lost by the restore');
    await waitForTexts(...all, 'lost by the restore');
    proxy.refuse();
    proxy.cut();
    await restore();
    proxy.accept();
    await send('sent instead');
    await waitForTexts(...all, 'sent instead');
    await authorIn(key, server.graphql).send('and after it');
    await waitForTexts(...all, 'sent instead', 'and after it');
  } finally {
    await mine?.leave();
    await proxy.close();
    await server.stop();
  }
}

/** The number of viewers of a room. */
async function viewers(server, { roomId, roomCode }) {
  const query = 'query ($id: ID!, $code: String!) { room(id: $id, code: $code) { viewerCount } }';
  return (await server.graphql(query, { id: roomId, code: roomCode })).data.room.viewerCount;
}

// Most of the time of a chat is spent waiting for reconnects, so the chats run concurrently.
describe('the snippets', { concurrency: 4 }, () => {
  for (const name of ['graphql-ws', 'apollo', 'urql']) {
    test(`the snippet for ${name} chats`, async () => chat((await import(`./snippets/${name}.js`)).openChat));
  }

  test('the snippet for livechat-client chats', async () => {
    const source = await readFile(here('snippets/livechat-client.js'), 'utf8');
    const snippet = source.replace("'livechat-client'", `'${new URL('../../clients/js/src/index.js', import.meta.url)}'`);
    const { openChat } = await import(`data:text/javascript,${encodeURIComponent(snippet)}`);
    await chat((url, key, show) => {
      const room = openChat(url, key, show);
      const actions = { [SEND]: ({ text }) => room.send(text), [EDIT]: ({ messageId, text }) => room.edit(messageId, text), [DELETE]: ({ messageId }) => room.remove(messageId) };
      return { act: (mutation, input) => actions[mutation](input), leave: () => room.leave() };
    });
  });

  test('the snippet for Apollo Client chats over multipart HTTP', async () => {
    const { openChat, overMultipart } = await import('./snippets/apollo.js');
    await chat((url, key, show) => openChat(url, key, show, overMultipart(url)));
  });

  test('a permanent refusal rejects with its code', async (t) => {
    const server = await startServer();
    const { key } = await createRoom(server.graphql);
    for (const name of ['graphql-ws', 'apollo', 'urql']) {
      const { openChat } = await import(`./snippets/${name}.js`);
      const mine = openChat(server.url, { ...key, roomCode: 'wrong' }, () => {});
      t.after(() => mine.leave());
      await assert.rejects(mine.over, { code: 'ROOM_CODE_INVALID' }, name);
    }
  });

  test('a client that leaves no longer counts as a viewer, however early it leaves', async (t) => {
    const server = await startServer();
    const { key } = await createRoom(server.graphql);
    for (const name of ['graphql-ws', 'apollo', 'urql']) {
      const { openChat } = await import(`./snippets/${name}.js`);
      openChat(server.url, key, () => {}).leave();
      const late = openChat(server.url, key, () => {});
      t.after(() => late.leave());
      await until(async () => (await viewers(server, key)) === 1, () => name);
      late.leave();
      await until(async () => (await viewers(server, key)) === 0, () => name);
    }
  });

  test('a client that is refused temporarily enters later, and only once', async (t) => {
    const settings = { RATE_LIMITS: 'on', RATE_SENDS_PER_USER: '100/s:1000', RATE_SUBSCRIPTIONS_PER_ADDRESS: '20/m:1' };
    const server = await startServer(settings);
    const { key } = await createRoom(server.graphql);
    const friend = authorIn(key, server.graphql);
    const chats = [];
    const { overMultipart } = await import('./snippets/apollo.js');
    const transports = [['graphql-ws'], ['apollo'], ['apollo', overMultipart], ['urql']];
    for (const [name, transport] of transports) {
      const { openChat } = await import(`./snippets/${name}.js`);
      const chat = { shown: [] };
      Object.assign(chat, openChat(server.url, key, (messages) => (chat.shown = messages), transport?.(server.url)));
      chats.push(chat);
      t.after(() => chat.leave());
      await until(async () => (await viewers(server, key)) === chats.length, () => `${name} ${transport?.name}`);
    }
    await friend.send('to all');
    await until(() => chats.every(({ shown }) => shown.at(-1)?.text === 'to all'));
    assert.equal(await viewers(server, key), chats.length, 'no client subscribes twice');
  });

  test('the snippet for Relay chats, compiled by its own compiler', async () => {
    // Outside of the repository, because the compiler writes its output next to its input.
    const directory = await mkdtemp(join(tmpdir(), 'livechat-relay-'));
    try {
      const source = await readFile(here('snippets/relay.js'), 'utf8');
      await writeFile(join(directory, 'relay.js'), source);
      await symlink(here('node_modules'), join(directory, 'node_modules'));
      await symlink(here('../../schema.graphql'), join(directory, 'schema.graphql'));
      await writeFile(join(directory, 'package.json'), '{"type":"module"}');
      const config = { src: '.', schema: 'schema.graphql', language: 'javascript', eagerEsModules: true };
      await writeFile(join(directory, 'relay.config.json'), JSON.stringify(config));
      await promisify(execFile)(process.execPath, [here('node_modules/relay-compiler/cli.js')], { cwd: directory });
      // Does what Relay's Babel plugin does with the tags.
      const imports = [];
      const compiled = source.replace(/graphql`\s*(?:query|fragment|subscription|mutation) (\w+)[^`]*`/g, (_, name) => {
        imports.push(`import ${name} from './__generated__/${name}.graphql.js';`);
        return name;
      });
      assert.equal(imports.length, 3);
      const snippets = new URL('snippets/', import.meta.url);
      const paths = compiled.replace(/(from|import) '(\..+)'/g, (_, how, path) => `${how} '${new URL(path, snippets)}'`);
      await writeFile(join(directory, 'compiled.js'), imports.join('\n') + paths);
      await chat((await import(join(directory, 'compiled.js'))).openChat);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  test('the snippet for EventSource chats, in a browser', async () => {
    const browser = await openBrowser();
    try {
      await chat(async (url, key, show) => {
        const page = await browser.newPage();
        await page.exposeFunction('show', show);
        await page.goto(`${url}/healthz`); // a page of the server's own origin
        const module = (text) => `data:text/javascript,${encodeURIComponent(text).replaceAll("'", '%27')}`;
        const shared = module(await readFile(here('snippets/chat.js'), 'utf8'));
        const snippet = module((await readFile(here('snippets/eventsource.js'), 'utf8')).replace('./chat.js', () => shared));
        await page.evaluate(
          async ([snippet, key]) => {
            globalThis.chat = (await import(snippet)).openChat('', key, globalThis.show);
          },
          [snippet, key],
        );
        const act = (mutation, input) => page.evaluate(([mutation, input]) => chat.act(mutation, input), [mutation, input]);
        return { act, leave: () => page.close() };
      });
    } finally {
      await browser.close();
    }
  });
});
