import '../support/resume.js';

// #region urql chat
import { Client, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { createClient } from 'graphql-ws';
import { onEnd, pipe, subscribe } from 'wonka';
import { dataOf, EVENTS, followRoom, post, ROOM, upsert, userOf } from './chat.js';
import { resuming } from './resuming.js';

export function openChat(url, room, show) {
  const query = gql(ROOM);
  const ws = createClient({ url: `${url.replace('http', 'ws')}/graphql`, ...resuming() });
  const leaving = new AbortController();

  // The cache applies edits and deletions by itself, because it identifies messages by id. A new one goes into the list.
  const take = ({ messageEvents }, _, cache) =>
    cache.updateQuery({ query, variables: room }, ({ room }) => {
      return { room: { ...room, messages: { ...room.messages, nodes: upsert(room.messages.nodes, messageEvents.message) } } };
    });
  const client = new Client({
    url: `${url}/graphql`,
    preferGetMethod: false,
    exchanges: [
      cacheExchange({ keys: { MessageConnection: () => null }, updates: { Subscription: { messageEvents: take } } }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({ subscribe: (sink) => ({ unsubscribe: ws.subscribe(request, sink) }) }),
      }),
    ],
  });
  pipe(
    client.query(query, room, { requestPolicy: 'cache-only' }),
    subscribe(({ data }) => data && !leaving.signal.aborted && show(data.room.messages.nodes)),
  );

  const read = async () => {
    const { data, error } = await client.query(query, room, { requestPolicy: 'network-only' }).toPromise();
    if (error?.networkError) throw error.networkError;
    return dataOf({ data, errors: error?.graphQLErrors }).room.cursor;
  };
  const listen = (after) =>
    new Promise((complete, error) => {
      const events = pipe(
        client.subscription(gql(EVENTS), { ...room, after }),
        onEnd(complete),
        subscribe(({ error: refused }) => refused && error(refused.networkError ?? refused.graphQLErrors)),
      );
      leaving.signal.onabort = events.unsubscribe;
    });

  return { over: followRoom(leaving.signal, read, listen), act: userOf(post(url), room), leave: () => leaving.abort() };
}
// #endregion
