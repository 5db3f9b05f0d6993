import '../support/resume.js';

// #region apollo chat
import { ApolloClient, CombinedGraphQLErrors, gql, InMemoryCache } from '@apollo/client/core';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import { DELETE, EDIT, EVENTS, put, ROOM, SEND, userOf } from './chat.js';
import { resuming } from './resuming.js';

export async function openChat(url, room, show) {
  const ws = createClient({ url: `${url.replace('http', 'ws')}/graphql`, ...resuming() });
  const client = new ApolloClient({ link: new GraphQLWsLink(ws), cache: new InMemoryCache() });
  const query = gql(ROOM);

  const act = userOf(async (mutation, variables) => {
    const { data, error } = await client.mutate({ mutation: gql(mutation), variables, errorPolicy: 'all' });
    if (error && !CombinedGraphQLErrors.is(error)) throw error;
    return { data, errors: error?.errors };
  });

  // Edits and deletions need no line: the cache knows a message by its id. One that is new goes into the list.
  const take = (message) =>
    client.cache.updateQuery({ query, variables: room }, ({ room }) => {
      return { room: { ...room, messages: { ...room.messages, nodes: put(room.messages.nodes, message) } } };
    });

  const { data } = await client.query({ query, variables: room });
  const shown = client.watchQuery({ query, variables: room }).subscribe(({ data }) => show(data.room.messages.nodes));
  const events = client
    .subscribe({ query: gql(EVENTS), variables: { ...room, after: data.room.cursor } })
    .subscribe(({ data, error }) => (error ? console.error(error) : take(data.messageEvents.message)));

  return {
    async send(text) {
      const clientMessageId = crypto.randomUUID();
      const author = { __typename: 'Chatter', id: 'me', displayName: '' };
      const unset = { index: -1, deletedAt: null, editedAt: null };
      take({ __typename: 'Message', id: clientMessageId, clientMessageId, text, author, ...unset });
      take(await act(SEND, { ...room, text, clientMessageId }));
    },
    edit: (messageId, text) => act(EDIT, { ...room, messageId, text }),
    remove: (messageId) => act(DELETE, { ...room, messageId }),
    leave() {
      events.unsubscribe();
      shown.unsubscribe();
      client.stop();
      ws.dispose();
    },
  };
}
// #endregion
