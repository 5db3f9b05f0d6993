// Automatic persisted queries, as Apollo Client and urql send them: with the hash alone at first, and with the document when
// the server does not know it. Where the server has them switched off, both go on without.

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

/** Clients that speak to a server, all requests through `fetch`. */
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
  // What went over the line with the first and with the second query: a hash, or a hash and a document, or a document.
  ['on', { first: ['hash', 'both'], second: ['hash'] }],
  ['off', { first: ['hash', 'document'], second: ['document'] }],
]) {
  describe(`with PERSISTED_QUERIES=${PERSISTED_QUERIES}`, () => {
    let server;
    // One each, so that no document is known before.
    const each = async (act) => {
      for (const [name, open] of Object.entries(CLIENTS)) {
        server = await startServer({ PERSISTED_QUERIES });
        try {
          const sent = [];
          const client = open(server.url, (address, options) => {
            sent.push(kind(address, options));
            return fetch(address, options);
          });
          await act(client, () => sent.splice(0), name);
        } finally {
          await server.stop();
        }
      }
    };

    test('queries and mutations are answered, and a known document is sent no more', async () => {
      await each(async (client, sent, name) => {
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

/** What a request names its document by. */
function kind(address, { body }) {
  const { query, extensions } = body ? JSON.parse(body) : Object.fromEntries(new URL(address).searchParams);
  const hash = (typeof extensions === 'string' ? JSON.parse(extensions) : extensions)?.persistedQuery;
  return query ? (hash ? 'both' : 'document') : 'hash';
}
