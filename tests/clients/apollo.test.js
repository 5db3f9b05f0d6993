// Apollo Client: over WebSocket with its link to `graphql-ws`, and over multipart HTTP, where it resumes with `after`.

import { ApolloClient, ApolloLink, CombinedGraphQLErrors, CombinedProtocolErrors, gql, HttpLink, InMemoryCache } from '@apollo/client/core';
import { RetryLink } from '@apollo/client/link/retry';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';

import { resume } from './snippets/apollo.js';
import { FOLLOW } from './support/reader.js';
import { openWs } from './support/resume.js';
import { testClient } from './support/round.js';

/** Does not retry what the server has refused. */
const retry = new RetryLink({
  attempts: { max: Infinity, retryIf: (error) => !CombinedProtocolErrors.is(error) },
  delay: { initial: 50, max: 100 },
});

testClient('Apollo Client over WebSocket', ({ url }) => {
  const ws = openWs(url);
  return apollo(new GraphQLWsLink(ws), () => ws.dispose());
});

testClient('Apollo Client over multipart HTTP', ({ url }) =>
  apollo(ApolloLink.from([retry, resume, new HttpLink({ uri: `${url}/graphql` })]), () => {}),
);

function apollo(link, close) {
  const client = new ApolloClient({ link, cache: new InMemoryCache() });
  return {
    async execute(mutation, variables) {
      const { data, error } = await client.mutate({ mutation: gql(mutation), variables });
      return { data, errors: error && [error] };
    },
    follow(variables, sink) {
      const subscription = client.subscribe({ query: gql(FOLLOW), variables }).subscribe({
        next({ data, error }) {
          if (CombinedGraphQLErrors.is(error) || CombinedProtocolErrors.is(error)) sink.error(error.errors);
          else if (error) sink.error(error);
          else sink.next({ data });
        },
        complete: sink.complete,
      });
      return () => subscription.unsubscribe();
    },
    close() {
      client.stop();
      close();
    },
  };
}
