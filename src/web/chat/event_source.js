// A subscription over server-sent events, for networks that block WebSockets.
//
// Over HTTP/1.1, a browser opens at most six connections to a server, for all tabs together, and such a stream takes one.

import { streamUrl } from './graphql.js';

/**
 * Subscribes. Calls `on.open()` once the server has answered with a stream and `on.result(result)` for each result. At the end,
 * unless it is closed before, it calls either `on.complete()` or `on.lost({})`.
 */
export function openEventSource(query, variables, on) {
  const source = new EventSource(streamUrl(query, variables));
  const end = (notify) => {
    source.close();
    notify();
  };
  source.addEventListener('open', () => on.open());
  source.addEventListener('next', ({ data }) => on.result(JSON.parse(data)));
  source.addEventListener('complete', () => end(on.complete));
  // The browser would reconnect by itself, but not after every error, and without backoff.
  source.addEventListener('error', () => end(() => on.lost({})));
  return {
    /** Does nothing: a client cannot send a ping over server-sent events. */
    check() {},
    /** Closes the connection. No callback is called afterwards. */
    close: () => source.close(),
  };
}
