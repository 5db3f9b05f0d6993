// Apollo Client as a client of `testClient`.

import { ApolloClient, CombinedGraphQLErrors, CombinedProtocolErrors, gql, InMemoryCache } from '@apollo/client/core';

import { FOLLOW } from './reader.js';

/** Creates a client whose requests go through `link`. `closeLink` closes the connection of the link. */
export function openApollo(link, closeLink = () => {}) {
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
      closeLink();
    },
  };
}
