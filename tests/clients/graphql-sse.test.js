// The stock `graphql-sse` client, which takes no notice of ids: it comes back with `after`.

import { after, before, test } from 'node:test';

import { openProxy } from './support/proxy.js';
import { FOLLOW } from './support/reader.js';
import { follow, once, openSse } from './support/resume.js';
import { roomThatEnds, wholeRound, wrongCode, wrongCursor } from './support/round.js';
import { startServer } from './support/server.js';

let server;
let line;

before(async () => {
  server = await startServer();
  line = await openProxy(server.url);
});

after(async () => {
  await line?.close();
  await server?.stop();
});

function open({ url }) {
  const client = openSse(url);
  return {
    execute: (query, variables) => once((sink) => client.subscribe({ query, variables }, sink)),
    follow: (variables, sink) => follow(client, { query: FOLLOW, variables }, sink),
    close: () => client.dispose(),
  };
}

test('the whole round', () => wholeRound(server, line, open(line)));
test('a room that ends', () => roomThatEnds(open));
test('a wrong room code', () => wrongCode(server, line, open(line)));
test('a wrong cursor', () => wrongCursor(server, line, open(line)));
