// A browser's own `EventSource`: it resumes by itself, without a line of code.

import { after, before } from 'node:test';

import { openBrowser } from './support/browser.js';
import { FOLLOW } from './support/reader.js';
import { testClient } from './support/round.js';

let browser;

before(async () => (browser = await openBrowser()));
after(() => browser?.close());

testClient('EventSource', async ({ url }) => {
  const page = await browser.newPage();
  const sinks = [];
  await page.exposeFunction('tell', (reader, what, value) => sinks[reader][what](value));
  await page.goto(`${url}/healthz`); // a page of the server's own origin
  return {
    execute: (query, variables) => page.evaluate(execute, { query, variables }),
    follow(variables, sink) {
      const reader = sinks.push(sink) - 1;
      const parameters = new URLSearchParams({ query: FOLLOW, variables: JSON.stringify(variables) });
      const opened = page.evaluate(follow, { reader, url: `/graphql?${parameters}` });
      return async () => page.evaluate((source) => source.close(), await opened);
    },
    close: () => page.close(),
  };
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
  window.sources = [...(window.sources ?? []), source];
  return source;
}
