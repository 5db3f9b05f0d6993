// One subscription over server-sent events, for where a WebSocket does not get through.
//
// Such a stream is one of the six connections that a browser opens to a server over HTTP/1.1, for all tabs together.

import { streamUrl } from './graphql.js';

/**
 * Subscribes. Calls `on.open()` once the server answers with a stream, `on.result(result)` for each result, and in the end,
 * unless it is closed before, either `on.complete()` or `on.lost({})`.
 */
export function openEventSource(query, variables, on) {
  const source = new EventSource(streamUrl(query, variables));
  const end = (tell) => {
    source.close();
    tell();
  };
  source.addEventListener('open', () => on.open());
  source.addEventListener('next', ({ data }) => on.result(JSON.parse(data)));
  source.addEventListener('complete', () => end(on.complete));
  // It would come back by itself, but not after every error, and not later each time.
  source.addEventListener('error', () => end(() => on.lost({})));
  return {
    /** Nothing can be asked over this connection. */
    check() {},
    /** Takes no more, and calls nobody any more. */
    close: () => source.close(),
  };
}
