// urql: over WebSocket with `graphql-ws`, and over server-sent events with `graphql-sse`.

import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { onEnd, pipe, subscribe } from 'wonka';

import { FOLLOW } from './support/reader.js';
import { follow, openSse, openWs } from './support/resume.js';
import { testClient } from './support/round.js';

testClient('urql over WebSocket', ({ url }) => {
  const ws = openWs(url);
  return urql(url, (request, sink) => ws.subscribe(request, sink), () => ws.dispose());
});

testClient('urql over server-sent events', ({ url }) => {
  const sse = openSse(url);
  return urql(url, (request, sink) => follow(sse, request, sink), () => sse.dispose());
});

function urql(url, subscribeTo, close) {
  const client = new Client({
    url: `${url}/graphql`,
    exchanges: [
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query, variables }) => ({
          subscribe: (sink) => ({ unsubscribe: subscribeTo({ query, variables }, sink) }),
        }),
      }),
    ],
  });
  return {
    async execute(query, variables) {
      const { data, error } = await client.mutation(query, variables).toPromise();
      return { data, errors: error && [error] };
    },
    follow(variables, sink) {
      const { unsubscribe } = pipe(
        client.subscription(FOLLOW, variables),
        onEnd(() => sink.complete()),
        subscribe(({ data, error, hasNext }) => {
          // At the end urql repeats the last result with `hasNext: false`.
          if (!hasNext) return;
          if (error?.networkError) sink.error(error.networkError);
          else sink.next({ data, errors: error?.graphQLErrors });
        }),
      );
      return unsubscribe;
    },
    close,
  };
}
