// What docs/clients.md shows, as it stands there: every snippet chats, loses its line, and shows what everybody else sees.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { createRoom } from './support/author.js';
import { openBrowser } from './support/browser.js';
import { openProxy } from './support/proxy.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

let server;

before(async () => (server = await startServer()));
after(() => server?.stop());

/** A chat through `openChat`, with a line that is cut in the middle. */
async function chat(openChat) {
  const line = await openProxy(server.url);
  const friend = await createRoom(server.graphql);
  const { place } = friend;
  await friend.send('before anybody looked');
  let shown = [];
  const seen = () => shown.map(({ text }) => text);
  const shows = (...texts) =>
    until(() => JSON.stringify(seen()) === JSON.stringify(texts), () => `It shows ${JSON.stringify(shown)}`);
  let mine;
  try {
    mine = await openChat(line.url, place, (messages) => (shown = messages));
    await shows('before anybody looked');
    await mine.send('mine');
    await shows('before anybody looked', 'mine');
    await until(() => shown[1].author?.displayName); // It is the server's, no longer the one shown before.
    const { id } = shown[1];
    await mine.edit(id, 'mine, mended');
    await shows('before anybody looked', 'mine, mended');
    const theirs = await friend.send('theirs');
    await shows('before anybody looked', 'mine, mended', 'theirs');
    line.refuse();
    line.cut();
    await friend.edit(theirs, 'theirs, mended');
    await friend.send('said meanwhile');
    line.accept();
    await shows('before anybody looked', 'mine, mended', 'theirs, mended', 'said meanwhile');
    // An action whose line is lost is repeated, and happens once.
    line.refuse();
    line.cut();
    const before = line.refused;
    const sending = mine.send('said into the wind');
    await until(() => line.refused > before);
    line.accept();
    await sending;
    await friend.delete(theirs);
    await mine.remove(id);
    await shows('before anybody looked', null, null, 'said meanwhile', 'said into the wind');
    // A user is one and the same from the first action to the last.
    assert.equal(shown.filter(({ author }) => author.id === shown[1].author.id).length, 2);
  } finally {
    await mine?.leave();
    await line.close();
  }
}

for (const name of ['graphql-ws', 'graphql-sse', 'apollo', 'urql']) {
  test(`the snippet for ${name} chats`, async () => chat((await import(`./snippets/${name}.js`)).openChat));
}

test('a message is shown before it is sent, and is sent when the server allows it', async () => {
  const slow = await startServer({ RATE_LIMITS: 'on', RATE_SENDS_PER_USER: '2/s:1' });
  const { place } = await createRoom(slow.graphql);
  let shown = [];
  for (const name of ['graphql-ws', 'apollo']) {
    const { openChat } = await import(`./snippets/${name}.js`);
    const mine = await openChat(slow.url, place, (messages) => (shown = messages));
    try {
      const before = shown.length;
      const sending = ['one', 'two', 'three'].map((text) => mine.send(text));
      await until(() => shown.length === before + 3);
      assert.notEqual(shown.at(-1).author?.displayName.slice(0, 5), 'Anon#', 'it came from the server');
      await Promise.all(sending);
      await until(() => shown.length === before + 3 && shown.every(({ author }) => author?.displayName.startsWith('Anon#')));
      assert.deepEqual(shown.slice(before).map(({ text }) => text), ['one', 'two', 'three']);
    } finally {
      await mine.leave();
    }
  }
  await slow.stop();
});

test('the snippet for Relay chats, compiled by its own compiler', async () => {
  // Outside of the repository, to which the compiler would add what it makes.
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
    // What its plugin for Babel does with the tags.
    const imports = [];
    const compiled = source.replace(/graphql`\s*(?:query|fragment|subscription|mutation) (\w+)[^`]*`/g, (_, name) => {
      imports.push(`import ${name} from './__generated__/${name}.graphql.js';`);
      return name;
    });
    assert.equal(imports.length, 6);
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
    await chat(async (url, place, show) => {
      const page = await browser.newPage();
      await page.exposeFunction('show', show);
      await page.goto(`${url}/healthz`); // a page of the server's own origin
      const module = (text) => `data:text/javascript,${encodeURIComponent(text).replaceAll("'", '%27')}`;
      const shared = module(await readFile(here('snippets/chat.js'), 'utf8'));
      const snippet = module((await readFile(here('snippets/eventsource.js'), 'utf8')).replace('./chat.js', () => shared));
      await page.evaluate(
        async ([snippet, place]) => {
          globalThis.chat = await (await import(snippet)).openChat('', place, globalThis.show);
        },
        [snippet, place],
      );
      const act = (name) => (...words) => page.evaluate(([name, words]) => chat[name](...words).then(() => {}), [name, words]);
      return { send: act('send'), edit: act('edit'), remove: act('remove'), leave: () => page.close() };
    });
  } finally {
    await browser.close();
  }
});
