// Subscriptions over server-sent events, for networks that block WebSockets.
//
// Over HTTP/1.1, a browser opens at most six connections to a server, for all tabs together, and each stream takes one.

import { streamUrl } from './graphql.js';

/**
 * Subscribes. Calls `on.open()` once the server has answered with a stream and `on.result(result)` for each result. At the end,
 * unless it is closed before, it calls either `on.complete()` or `on.lost({})`. Returns a connection like `openSocket`.
 */
export function openEventSource(query, variables, on) {
  const others = new Set();
  const closeAll = () => {
    close();
    others.forEach((closeOther) => closeOther());
  };
  const close = open(query, variables, {
    ...on,
    complete: () => {
      closeAll();
      on.complete();
    },
    lost: () => {
      closeAll();
      on.lost({});
    },
  });
  return {
    /** Does nothing: a client cannot send a ping over server-sent events. */
    check() {},
    close: closeAll,
    /** Only over HTTP/2 and later: a second stream would take a connection from the requests of all tabs. */
    subscribe: hasManyStreams() ? subscribe : null,
  };

  function subscribe(query, variables, on) {
    const end = () => {
      others.delete(closeOther);
      on.complete();
    };
    const closeOther = open(query, variables, { open() {}, result: on.result, complete: end, lost: end });
    others.add(closeOther);
    return () => {
      others.delete(closeOther);
      closeOther();
    };
  }
}

/** Opens one stream. Returns a function that closes it, after which no callback is called. */
function open(query, variables, on) {
  const source = new EventSource(streamUrl(query, variables));
  const end = (notify) => {
    source.close();
    notify();
  };
  source.addEventListener('open', () => on.open());
  source.addEventListener('next', ({ data }) => on.result(JSON.parse(data)));
  source.addEventListener('complete', () => end(on.complete));
  // The browser would reconnect by itself, but not after every error, and without backoff.
  source.addEventListener('error', () => end(on.lost));
  return () => source.close();
}

const hasManyStreams = () => /^h[23]/.test(performance.getEntriesByType('navigation')[0]?.nextHopProtocol);
