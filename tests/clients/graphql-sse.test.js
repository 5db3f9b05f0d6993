// The stock `graphql-sse` client. It ignores event ids and resumes with `after`.

import { FOLLOW } from './support/reader.js';
import { follow, once, openSse } from './support/resume.js';
import { testClient } from './support/round.js';

testClient('graphql-sse', ({ url }) => {
  const client = openSse(url);
  return {
    execute: (query, variables) => once((sink) => client.subscribe({ query, variables }, sink)),
    follow: (variables, sink) => follow(client, { query: FOLLOW, variables }, sink),
    close: () => client.dispose(),
  };
});
