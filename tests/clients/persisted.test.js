// Automatic persisted queries of Apollo Client and urql. They first send the hash alone, and the document too if the server does
// not know it. If the server has persisted queries switched off, they continue without hashes.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client/core';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { Client, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';
import { createHash } from 'node:crypto';

import { startServer } from './support/server.js';

const QUERY = 'query Rooms($first: Int) { activeRooms(first: $first) { totalCount } }';
const MUTATION = 'mutation Create { createRoom { room { id } } }';

/** Creates clients whose requests go through `fetch`. */
const CLIENTS = {
  'Apollo Client over POST': (url, fetch) => apollo(url, fetch, false),
  'Apollo Client over GET': (url, fetch) => apollo(url, fetch, true),
  'urql over POST': (url, fetch) => urql(url, fetch, false),
  'urql over GET': (url, fetch) => urql(url, fetch, 'force'),
};

function apollo(url, fetch, useGETForHashedQueries) {
  const sha256 = (document) => createHash('sha256').update(document).digest('hex');
  const persisted = new PersistedQueryLink({ sha256, useGETForHashedQueries });
  const link = ApolloLink.from([persisted, new HttpLink({ uri: `${url}/graphql`, fetch })]);
  const client = new ApolloClient({ link, cache: new InMemoryCache(), defaultOptions: { query: { fetchPolicy: 'no-cache' } } });
  return {
    query: async (variables) => (await client.query({ query: gql(QUERY), variables })).data,
    mutate: async () => (await client.mutate({ mutation: gql(MUTATION) })).data,
  };
}

function urql(url, fetch, preferGetMethod) {
  const client = new Client({
    url: `${url}/graphql`,
    fetch,
    preferGetMethod,
    requestPolicy: 'network-only',
    exchanges: [
      persistedExchange({ preferGetForPersistedQueries: preferGetMethod, enableForMutation: true }),
      fetchExchange,
    ],
  });
  const data = ({ data, error }) => {
    if (error) throw error;
    return data;
  };
  return {
    query: async (variables) => data(await client.query(QUERY, variables).toPromise()),
    mutate: async () => data(await client.mutation(MUTATION, {}).toPromise()),
  };
}

for (const [PERSISTED_QUERIES, expected] of [
  // What the requests of the first and of the second query contain: a hash, a document, or both.
  ['on', { first: ['hash', 'both'], second: ['hash'] }],
  ['off', { first: ['hash', 'document'], second: ['document'] }],
]) {
  describe(`with PERSISTED_QUERIES=${PERSISTED_QUERIES}`, () => {
    let server;
    // Each client has a server of its own, which knows no documents yet.
    const forEachClient = async (act) => {
      for (const [name, open] of Object.entries(CLIENTS)) {
        server = await startServer({ PERSISTED_QUERIES });
        try {
          const sent = [];
          const client = open(server.url, (address, options) => {
            sent.push(contentOf(address, options));
            return fetch(address, options);
          });
          await act(client, () => sent.splice(0), name);
        } finally {
          await server.stop();
        }
      }
    };

    test('queries and mutations succeed, and a known document is not sent again', async () => {
      await forEachClient(async (client, sent, name) => {
        assert.equal((await client.query({ first: 1 })).activeRooms.totalCount, 0, name);
        assert.deepEqual(sent(), expected.first, name);
        assert.match((await client.mutate()).createRoom.room.id, /^[0-9a-f]{32}$/, name);
        sent();
        assert.equal((await client.query({ first: 2 })).activeRooms.totalCount, 1, name);
        assert.deepEqual(sent(), expected.second, name);
      });
    });
  });
}

/** Whether a request contains a hash, a document, or both. */
function contentOf(address, { body }) {
  const { query, extensions } = body ? JSON.parse(body) : Object.fromEntries(new URL(address).searchParams);
  const hash = (typeof extensions === 'string' ? JSON.parse(extensions) : extensions)?.persistedQuery;
  return query ? (hash ? 'both' : 'document') : 'hash';
}
