import '../support/resume.js';

// #region urql chat
import { Client, fetchExchange, gql, subscriptionExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { createClient } from 'graphql-ws';
import { pipe, subscribe } from 'wonka';
import { DELETE, EDIT, EVENTS, put, ROOM, SEND, userOf } from './chat.js';
import { resuming } from './resuming.js';

export async function openChat(url, room, show) {
  const ws = createClient({ url: `${url.replace('http', 'ws')}/graphql`, ...resuming() });
  const query = gql(ROOM);

  // Edits and deletions need no line: the cache knows a message by its id. One that is new goes into the list.
  const take = (message, cache) =>
    cache.updateQuery({ query, variables: room }, ({ room }) => {
      return { room: { ...room, messages: { ...room.messages, nodes: put(room.messages.nodes, message) } } };
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
        forwardSubscription: (request) => ({ subscribe: (sink) => ({ unsubscribe: ws.subscribe(request, sink) }) }),
      }),
    ],
  });

  const act = userOf(async (mutation, variables) => {
    const { data, error } = await client.mutation(gql(mutation), variables).toPromise();
    if (error?.networkError) throw error.networkError;
    return { data, errors: error?.graphQLErrors };
  });

  const shown = pipe(client.query(query, room), subscribe(({ data }) => data && show(data.room.messages.nodes)));
  const { data } = await client.query(query, room).toPromise();
  const events = pipe(
    client.subscription(gql(EVENTS), { ...room, after: data.room.cursor }),
    subscribe(({ error }) => error && console.error(error)),
  );

  return {
    send: (text) => act(SEND, { ...room, text, clientMessageId: crypto.randomUUID() }),
    edit: (messageId, text) => act(EDIT, { ...room, messageId, text }),
    remove: (messageId) => act(DELETE, { ...room, messageId }),
    leave() {
      events.unsubscribe();
      shown.unsubscribe();
      ws.dispose();
    },
  };
}
// #endregion
