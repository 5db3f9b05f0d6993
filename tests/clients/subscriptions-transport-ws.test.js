// Clients of the older `graphql-ws` protocol: the npm client `subscriptions-transport-ws`, alone and under Apollo Client's
// `WebSocketLink`. Both reconnect by themselves and send their subscriptions again, here with the last cursor in `after`.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

// Before the clients, which look for a WebSocket when they are loaded.
import { once } from './support/resume.js';

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, gql, InMemoryCache } from '@apollo/client/core';
import { WebSocketLink } from '@apollo/client/link/ws';

import { resume } from './snippets/apollo.js';
import { connect, follow } from './snippets/subscriptions-transport-ws.js';
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
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  return {
    async execute(mutation, variables) {
      const { data, error } = await client.mutate({ mutation: gql(mutation), variables });
      return { data, errors: error && [error] };
    },
    follow(variables, sink) {
      const subscription = client.subscribe({ query: gql(FOLLOW), variables }).subscribe({
        next({ data, error }) {
          if (CombinedGraphQLErrors.is(error)) sink.error(error.errors);
          else if (error) sink.error(error);
          else sink.next({ data });
        },
        complete: sink.complete,
      });
      return () => subscription.unsubscribe();
    },
    close() {
      client.stop();
      socket.close();
    },
  };
});

test('keep-alives hold the connection of a client that expects one every two seconds', async (t) => {
  const client = connect(server.url, { timeout: 2000 });
  t.after(() => client.close());
  const connections = [];
  client.onConnected(() => connections.push('connected'));
  client.onReconnected(() => connections.push('reconnected'));
  const room = await createRoom(server.graphql);
  const reader = read((variables, sink) => follow(client, { query: FOLLOW, variables }, sink), room.place);
  await new Promise((resolve) => setTimeout(resolve, 6000));
  await room.send('after a while');
  await reader.caughtUp(room.story);
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
