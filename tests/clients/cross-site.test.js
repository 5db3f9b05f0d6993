// CSRF protection of the legacy route that creates a room by GET: in Chromium, only scripts of other sites can use it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';

import { openBrowser } from './support/browser.js';
import { startServer } from './support/server.js';

let browser;

before(async () => (browser = await openBrowser()));
after(() => browser?.close());

/** Resolves when a request of the page to this URL has finished or failed. */
function waitForRequest(page, url) {
  return new Promise((resolve) => {
    for (const event of ['requestfinished', 'requestfailed']) {
      page.on(event, (request) => request.url() === url && resolve());
    }
  });
}

/** Starts a server and opens an empty page of another site. `rooms()` returns the number of rooms. */
async function open(t) {
  const server = await startServer();
  const other = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<!doctype html><p>')).listen(0, '127.0.0.1');
  await once(other, 'listening');
  const page = await browser.newPage();
  t.after(async () => {
    await page.close();
    other.close();
    await server.stop();
  });
  await page.goto(`http://127.0.0.1:${other.address().port}/`);
  const rooms = async () => (await server.graphql('{ activeRooms { totalCount } }')).data.activeRooms.totalCount;
  return { server, page, rooms };
}

for (const [what, embed] of [
  ['an image', (url) => `<img src="${url}">`],
  ['an image with CORS', (url) => `<img crossorigin src="${url}">`],
  ['a script', (url) => `<script src="${url}"></script>`],
  ['a style sheet', (url) => `<link rel="stylesheet" href="${url}">`],
  ['a frame', (url) => `<iframe src="${url}"></iframe>`],
  ['an object', (url) => `<object data="${url}"></object>`],
  ['a video', (url) => `<video src="${url}"></video>`],
]) {
  test(`${what} of another site creates no room`, async (t) => {
    const { server, page, rooms } = await open(t);
    for (const path of ['/room/create', '/v1/room/create/']) {
      const url = `${server.url}${path}`;
      const finished = waitForRequest(page, url);
      await page.setContent(embed(url), { waitUntil: 'commit' });
      await finished;
    }
    assert.equal(await rooms(), 0);
  });
}

test('a link of another site creates no room', async (t) => {
  const { server, page, rooms } = await open(t);
  await page.setContent(`<a href="${server.url}/room/create/">free money</a>`);
  const response = page.waitForResponse(`${server.url}/room/create/`);
  await page.getByRole('link').click();
  assert.equal((await response).status(), 403);
  assert.equal(await rooms(), 0);
});

test('a script of another site and the address bar create rooms', async (t) => {
  const { server, page, rooms } = await open(t);
  const made = await page.evaluate(async (url) => (await fetch(url)).json(), `${server.url}/v1/room/create/`);
  assert.equal(made.status_code, 200);
  assert.equal((await page.goto(`${server.url}/room/create`)).status(), 200);
  assert.equal(await rooms(), 2);
});
