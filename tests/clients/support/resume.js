// The lines with which clients resume, as the README shows them, and the clients made with them.

import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import WebSocket from 'ws';

// Node.js 20 has none of its own, and a link of Apollo Client asks for it by name.
globalThis.WebSocket ??= WebSocket;

// #region graphql-ws
function resuming() {
  const resume = {}; // operation id -> cursor of its last event
  return {
    connectionParams: () => ({ resume }),
    on: {
      message({ type, id, payload }) {
        if (type === 'next' && payload.data?.messageEvents) resume[id] = payload.data.messageEvents.cursor;
        if (type === 'complete' || type === 'error') delete resume[id];
      },
    },
    jsonMessageReplacer(key, message) {
      if (key === '' && message.type === 'complete') delete resume[message.id];
      return message;
    },
    retryAttempts: Infinity,
    shouldRetry: () => true,
  };
}
// #endregion

// #region graphql-sse
function follow(client, request, sink) {
  const variables = { ...request.variables };
  const next = (result) => {
    if (result.data?.messageEvents) variables.after = result.data.messageEvents.cursor;
    sink.next(result);
  };
  return client.subscribe({ ...request, variables }, { ...sink, next });
}
// #endregion

export { follow, resuming };

/** How long a client of these tests waits before it comes again, instead of seconds. */
const soon = () => new Promise((resolve) => setTimeout(resolve, 50));

/** A stock `graphql-ws` client that resumes. */
export function openWs(url, options = {}) {
  const ours = resuming();
  const on = { ...options.on, ...ours.on };
  return createWsClient({ url: `${url.replace('http', 'ws')}/graphql`, retryWait: soon, ...ours, ...options, on });
}

/** A stock `graphql-sse` client. */
export function openSse(url) {
  return createSseClient({ url: `${url}/graphql`, retryAttempts: Infinity, retry: soon });
}

/** The one result of an operation that is no subscription. */
export function once(subscribe) {
  return new Promise((resolve, reject) => {
    let result;
    subscribe({ next: (value) => (result = value), error: reject, complete: () => resolve(result) });
  });
}
