import '../support/resume.js';

// #region apollo links
import { ApolloLink, CombinedProtocolErrors, HttpLink } from '@apollo/client/core';
import { RetryLink } from '@apollo/client/link/retry';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient } from 'graphql-ws';
import { tap } from 'rxjs';
import { resuming } from './resuming.js';

/** Everything over one WebSocket, which resumes by itself. */
export const overWebSocket = (url) =>
  new GraphQLWsLink(createClient({ url: `${url.replace('http', 'ws')}/graphql`, ...resuming() }));

/** Resumes after the last event whenever the `RetryLink` in front of it retries. */
export const resume = new ApolloLink((operation, forward) =>
  forward(operation).pipe(
    tap(({ data }) => {
      const after = data?.messageEvents?.cursor;
      if (after) operation.variables = { ...operation.variables, after };
    }),
  ),
);

/** Everything over HTTP, subscriptions as multipart. Does not retry what the server refused. */
export function overMultipart(url) {
  const retryIf = (error) => !CombinedProtocolErrors.is(error);
  const retry = new RetryLink({ attempts: { max: Infinity, retryIf }, delay: { max: 30_000 } });
  return ApolloLink.from([retry, resume, new HttpLink({ uri: `${url}/graphql` })]);
}
// #endregion

// #region apollo chat
import { ApolloClient, gql, InMemoryCache } from '@apollo/client/core';
import { dataOf, DELETE, EDIT, EVENTS, followRoom, ROOM, SEND, upsert, userOf } from './chat.js';

export function openChat(url, room, show, link = overWebSocket(url)) {
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const query = gql(ROOM);

  // Errors from the server have codes; other errors come from the connection.
  const toResult = ({ data, error }) => {
    if (error && !error.errors) throw error;
    return { data, errors: error?.errors };
  };
  const act = userOf(async (mutation, variables) =>
    toResult(await client.mutate({ mutation: gql(mutation), variables, errorPolicy: 'all' })),
  );

  // The cache applies edits and deletions by itself, because it identifies messages by id. A new one goes into the list.
  const take = (message) =>
    client.cache.updateQuery({ query, variables: room }, (data) => {
      if (!data) return data;
      const { messages } = data.room;
      return { room: { ...data.room, messages: { ...messages, nodes: upsert(messages.nodes, message) } } };
    });
  const shown = client
    .watchQuery({ query, variables: room, fetchPolicy: 'cache-only' })
    .subscribe(({ data }) => data?.room && show(data.room.messages.nodes));

  const leaving = new AbortController();
  const read = async () => {
    const options = { query, variables: room, fetchPolicy: 'network-only', errorPolicy: 'all' };
    return dataOf(toResult(await client.query(options))).room.cursor;
  };
  const listen = (after) =>
    new Promise((complete, error) => {
      const events = client.subscribe({ query: gql(EVENTS), variables: { ...room, after } }).subscribe({
        next: ({ data, error: refused }) => (refused ? error(refused.errors) : take(data.messageEvents.message)),
        complete,
      });
      leaving.signal.onabort = () => events.unsubscribe();
    });

  return {
    over: followRoom(leaving.signal, read, listen),
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
      leaving.abort();
      shown.unsubscribe();
      client.stop();
    },
  };
}
// #endregion
