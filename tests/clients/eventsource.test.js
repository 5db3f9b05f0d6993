// A browser's `EventSource`, which resumes by itself.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createRoom } from './support/author.js';
import { openBrowser } from './support/browser.js';
import { FOLLOW, read } from './support/reader.js';
import { testClient } from './support/round.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

let browser;

before(async () => (browser = await openBrowser()));
after(() => browser?.close());

testClient('EventSource', open);

async function open({ url }) {
  const page = await browser.newPage();
  const sinks = [];
  await page.exposeFunction('notify', (reader, kind, value) => sinks[reader][kind](value));
  await page.goto(`${url}/healthz`); // a page of the server's origin
  return {
    execute: (query, variables) => page.evaluate(execute, { query, variables }),
    follow(variables, sink) {
      const reader = sinks.push(sink) - 1;
      const parameters = new URLSearchParams({ query: FOLLOW, variables: JSON.stringify(variables) });
      const opened = page.evaluateHandle(follow, { reader, url: `/graphql?${parameters}` });
      return async () => page.evaluate((source) => source.close(), await opened);
    },
    close: () => page.close(),
  };
}

test('after a completed stream the browser reconnects once and gets 204', async (t) => {
  const server = await startServer({ ROOM_TTL: '3s' });
  const client = await open(server);
  t.after(async () => {
    await client.close();
    await server.stop();
  });
  const { key } = await createRoom(server.graphql);
  const [ended, refused] = [key, { ...key, roomCode: `${key.roomCode}0` }].map((variables) => read(client.follow, variables));
  await until(() => ended.failure && refused.failure);
  for (const reader of [ended, refused]) assert.deepEqual([reader.completed, reader.failure], [true, 'closed for good']);
});

// The functions below run in the page.

async function execute(request) {
  const headers = { 'content-type': 'application/json' };
  return (await fetch('/graphql', { method: 'POST', headers, body: JSON.stringify(request) })).json();
}

function follow({ reader, url }) {
  const source = new EventSource(url);
  source.addEventListener('next', ({ data }) => notify(reader, 'next', JSON.parse(data)));
  source.addEventListener('complete', () => notify(reader, 'complete'));
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) notify(reader, 'error', 'closed for good');
  });
  return source;
}
