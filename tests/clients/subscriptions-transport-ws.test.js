// Clients of the older `graphql-ws` protocol: the npm client `subscriptions-transport-ws`, alone and under Apollo Client's
// `WebSocketLink`. Both reconnect by themselves and send their subscriptions again, here with the last cursor in `after`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

// Imported before the clients, which look for a WebSocket when they are loaded.
import { once } from './support/resume.js';

import { ApolloLink } from '@apollo/client/core';
import { WebSocketLink } from '@apollo/client/link/ws';

import { resume } from './snippets/apollo.js';
import { connect, follow } from './snippets/subscriptions-transport-ws.js';
import { openApollo } from './support/apollo.js';
import { createRoom } from './support/author.js';
import { FOLLOW, read } from './support/reader.js';
import { testClient } from './support/round.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

let server;

before(async () => {
  server = await startServer({ KEEP_ALIVE_INTERVAL: '1s' });
});

after(() => server?.stop());

testClient('subscriptions-transport-ws', ({ url }) => {
  const client = connect(url);
  return {
    execute: (query, variables) => once((sink) => client.request({ query, variables }).subscribe(sink)),
    follow: (variables, sink) => follow(client, { query: FOLLOW, variables }, sink),
    close: () => client.close(),
  };
});

testClient("Apollo Client's WebSocketLink", ({ url }) => {
  const socket = connect(url);
  const link = ApolloLink.from([resume, new WebSocketLink(socket)]);
  return openApollo(link, () => socket.close());
});

test('keep-alives hold the connection of a client that expects one every five seconds', async (t) => {
  const client = connect(server.url, { timeout: 5000 });
  t.after(() => client.close());
  const connections = [];
  let keepAlives = 0;
  client.onConnected(() => {
    connections.push('connected');
    client.client.addEventListener('message', ({ data }) => (keepAlives += JSON.parse(data).type === 'ka' ? 1 : 0));
  });
  client.onReconnected(() => connections.push('reconnected'));
  const room = await createRoom(server.graphql);
  const reader = read((variables, sink) => follow(client, { query: FOLLOW, variables }, sink), room.key);
  // One is sent every second.
  await until(() => keepAlives > 6);
  await room.send('after a while');
  await reader.waitForEvents(room.events);
  assert.deepEqual(connections, ['connected']);
  await reader.stop();
});

test('parameters that cannot be parsed are an error of their operation', async (t) => {
  const client = connect(server.url);
  t.after(() => client.close());
  const errors = [];
  client.request({ query: '{ __typename }', variables: { a: '\ud800' } }).subscribe({ error: (error) => errors.push(error) });
  await until(() => errors.length > 0);
  assert.equal(errors[0].extensions.code, 'VALIDATION_FAILED');
  const { data } = await once((sink) => client.request({ query: '{ __typename }' }).subscribe(sink));
  assert.deepEqual(data, { __typename: 'Query' });
});
