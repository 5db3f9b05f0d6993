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
import { EVENTS, followRoom, post, ROOM, upsert, userOf } from './chat.js';

export function openChat(url, room, show, link = overWebSocket(url)) {
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  const options = { query: gql(ROOM), variables: room };
  const leaving = new AbortController();

  const read = async () => {
    // Errors from the server have codes; other errors come from the connection.
    const result = client.query({ ...options, fetchPolicy: 'network-only' });
    const { data } = await result.catch((error) => { throw error.errors ?? error; });
    return data.room.cursor;
  };
  // The cache applies edits and deletions by itself, because it identifies messages by id. A new one goes into the list.
  const take = (message) =>
    client.cache.updateQuery(options, ({ room }) => {
      return { room: { ...room, messages: { ...room.messages, nodes: upsert(room.messages.nodes, message) } } };
    });
  const listen = (after) =>
    new Promise((complete, error) => {
      const events = client.subscribe({ query: gql(EVENTS), variables: { ...room, after } }).subscribe({
        next: ({ data, error: refused }) => (refused ? error(refused.errors) : take(data.messageEvents.message)),
        complete,
      });
      leaving.signal.onabort = () => events.unsubscribe();
    });
  const shown = client.watchQuery({ ...options, fetchPolicy: 'cache-only' });
  shown.subscribe(({ data }) => data?.room && !leaving.signal.aborted && show(data.room.messages.nodes));

  return { over: followRoom(leaving.signal, read, listen), act: userOf(post(url), room), leave: () => leaving.abort() };
}
// #endregion
