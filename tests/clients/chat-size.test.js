// How much the chat page loads: the number of its requests, and their size.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { useChat } from './support/chat_fixture.js';

/** Of all files of the page, each compressed, in bytes. */
const MAX_SIZE = 72 * 1024;

const chats = useChat();

test('the page loads all its modules at once, and is small', async (t) => {
  const files = [];
  const operations = [];
  const prepare = (page) =>
    page.on('response', (response) => {
      const { pathname } = new URL(response.url());
      if (pathname === '/graphql') operations.push(response.request().postData());
      else files.push(response.body().then((body) => ({ pathname, size: gzipSync(body).length })));
    });
  const { chat } = await chats.enterNewRoom({ prepare });
  const loaded = await Promise.all(files);
  const size = loaded.reduce((sum, file) => sum + file.size, 0);
  t.diagnostic(`${loaded.length} files, ${size} bytes gzipped; ${operations.length} GraphQL requests until the room is live`);
  assert.ok(size <= MAX_SIZE, `${size} bytes`);

  const preloaded = await chat.page.$$eval('link[rel=modulepreload]', (links) => links.map((link) => new URL(link.href).pathname));
  const modules = loaded.map(({ pathname }) => pathname).filter((pathname) => pathname.endsWith('.js'));
  assert.deepEqual([...preloaded, '/chat/app.js'].sort(), modules.sort(), 'index.html lists the modules that the page loads');
  await chat.close();
});
