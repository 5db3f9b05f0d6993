// A browser's own `EventSource`: it resumes by itself, without a line of code.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createRoom } from './support/author.js';
import { openBrowser } from './support/browser.js';
import { FOLLOW, read } from './support/reader.js';
import { testClient } from './support/round.js';
import { startServer } from './support/server.js';

let browser;

before(async () => (browser = await openBrowser()));
after(() => browser?.close());

testClient('EventSource', open);

async function open({ url }) {
  const page = await browser.newPage();
  const sinks = [];
  await page.exposeFunction('tell', (reader, what, value) => sinks[reader][what](value));
  await page.goto(`${url}/healthz`); // a page of the server's own origin
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

test('many that come back to a server that is still stopping all find the next one', async (t) => {
  // Their streams end one after the other within this time; a browser comes back after one second.
  const server = await startServer({ DRAIN_SECONDS: '3' });
  const client = await open(server);
  t.after(async () => {
    await client.close();
    await server.stop();
  });
  const room = await createRoom(server.graphql);
  // A browser opens at most six connections to a server at once.
  const readers = Array.from({ length: 5 }, () => read(client.follow, { ...room.place, after: room.start }));
  const allCaughtUp = () => Promise.all(readers.map((reader) => reader.caughtUp(room.story)));
  await room.send('before');
  await allCaughtUp();
  await server.restart();
  await room.send('after');
  await allCaughtUp();
  for (const reader of readers) assert.deepEqual([reader.story, reader.failure], [room.story, undefined]);
  for (const reader of readers) await reader.stop();
});

// These run in the page.

async function execute(request) {
  const headers = { 'content-type': 'application/json' };
  return (await fetch('/graphql', { method: 'POST', headers, body: JSON.stringify(request) })).json();
}

function follow({ reader, url }) {
  const source = new EventSource(url);
  source.addEventListener('next', ({ data }) => tell(reader, 'next', JSON.parse(data)));
  source.addEventListener('complete', () => tell(reader, 'complete'));
  source.addEventListener('error', () => {
    if (source.readyState === EventSource.CLOSED) tell(reader, 'error', 'closed for good');
  });
  return source;
}
