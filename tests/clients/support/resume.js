// The code with which clients resume, as docs/clients.md shows it, and clients that use it.

import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import WebSocket from 'ws';

// Node.js 20 has no WebSocket of its own, and Apollo Client uses the global one.
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

/** The short delay before tests reconnect. */
const soon = () => new Promise((resolve) => setTimeout(resolve, 50));

/** Creates a `graphql-ws` client that resumes. */
export function openWs(url, options = {}) {
  const ours = resuming();
  const on = { ...options.on, ...ours.on };
  return createWsClient({ url: `${url.replace('http', 'ws')}/graphql`, retryWait: soon, ...ours, ...options, on });
}

/** Creates a `graphql-sse` client. */
export function openSse(url) {
  return createSseClient({ url: `${url}/graphql`, retryAttempts: Infinity, retry: soon });
}

/** Returns the result of a query or mutation. */
export function once(subscribe) {
  return new Promise((resolve, reject) => {
    let result;
    subscribe({ next: (value) => (result = value), error: reject, complete: () => resolve(result) });
  });
}
