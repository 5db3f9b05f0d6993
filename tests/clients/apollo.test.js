// Apollo Client: over WebSocket with its link to `graphql-ws`, and over multipart HTTP, where it resumes with `after`.

import { ApolloLink, CombinedProtocolErrors, HttpLink } from '@apollo/client/core';
import { RetryLink } from '@apollo/client/link/retry';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';

import { resume } from './snippets/apollo.js';
import { openApollo } from './support/apollo.js';
import { openWs } from './support/resume.js';
import { testClient } from './support/round.js';

/** Does not retry what the server has refused. */
const retry = new RetryLink({
  attempts: { max: Infinity, retryIf: (error) => !CombinedProtocolErrors.is(error) },
  delay: { initial: 50, max: 100 },
});

testClient('Apollo Client over WebSocket', ({ url }) => {
  const ws = openWs(url);
  return openApollo(new GraphQLWsLink(ws), () => ws.dispose());
});

testClient('Apollo Client over multipart HTTP', ({ url }) =>
  openApollo(ApolloLink.from([retry, resume, new HttpLink({ uri: `${url}/graphql` })])),
);
