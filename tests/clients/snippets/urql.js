import '../support/resume.js';

// #region urql transports
import { createClient as createSseClient } from 'graphql-sse';
import { createClient } from 'graphql-ws';
import { follow, resuming } from './resuming.js';

/** Subscriptions over WebSocket. */
export function overWebSocket(url) {
  const ws = createClient({ url: `${url.replace('http', 'ws')}/graphql`, ...resuming() });
  return (request, sink) => ws.subscribe(request, sink);
}

/** Subscriptions over server-sent events. */
export function overEvents(url) {
  const sse = createSseClient({ url: `${url}/graphql`, retryAttempts: Infinity });
  return (request, sink) => follow(sse, request, sink);
}
// #endregion

// #region urql chat
import { Client, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { onEnd, pipe, subscribe } from 'wonka';
import { dataOf, DELETE, EDIT, EVENTS, followRoom, ROOM, SEND, upsert, userOf } from './chat.js';

export function openChat(url, room, show, subscribeTo = overWebSocket(url)) {
  const query = gql(ROOM);

  // The cache applies edits and deletions by itself, because it identifies messages by id. A new one goes into the list.
  const take = (message, cache) =>
    cache.updateQuery({ query, variables: room }, ({ room }) => {
      return { room: { ...room, messages: { ...room.messages, nodes: upsert(room.messages.nodes, message) } } };
    });
  const client = new Client({
    url: `${url}/graphql`,
    preferGetMethod: false,
    exchanges: [
      cacheExchange({
        keys: { MessageConnection: () => null },
        updates: {
          Subscription: { messageEvents: ({ messageEvents }, _, cache) => take(messageEvents.message, cache) },
          Mutation: { sendMessage: ({ sendMessage }, _, cache) => take(sendMessage.message, cache) },
        },
      }),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: (request) => ({ subscribe: (sink) => ({ unsubscribe: subscribeTo(request, sink) }) }),
      }),
    ],
  });

  const toResult = ({ data, error }) => {
    if (error?.networkError) throw error.networkError;
    return { data, errors: error?.graphQLErrors };
  };
  const act = userOf(async (mutation, variables) => toResult(await client.mutation(gql(mutation), variables).toPromise()));

  const leaving = new AbortController();
  pipe(
    client.query(query, room, { requestPolicy: 'cache-only' }),
    subscribe(({ data }) => data && !leaving.signal.aborted && show(data.room.messages.nodes)),
  );
  const read = async () => {
    const result = await client.query(query, room, { requestPolicy: 'network-only' }).toPromise();
    return dataOf(toResult(result)).room.cursor;
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

  return {
    over: followRoom(leaving.signal, read, listen),
    send: (text) => act(SEND, { ...room, text, clientMessageId: crypto.randomUUID() }),
    edit: (messageId, text) => act(EDIT, { ...room, messageId, text }),
    remove: (messageId) => act(DELETE, { ...room, messageId }),
    leave: () => leaving.abort(),
  };
}
// #endregion
