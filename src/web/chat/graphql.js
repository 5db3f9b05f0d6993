// GraphQL requests over HTTP. A request returns data or throws a RequestError.

const ENDPOINT = new URL('graphql', location.href.split('#')[0]);

/** Time limit of a request, in milliseconds. */
const TIMEOUT = 10_000;

/** How far the clock of the server is ahead of the local one, in milliseconds. */
let clockOffset = 0;

/** Returns the time of the server, in milliseconds. */
export const serverNow = () => Date.now() + clockOffset;

/** Codes of errors after which the same request may succeed later. */
const TRANSIENT_CODES = [
  'NETWORK', 'UNAVAILABLE', 'OVERLOADED', 'TIMEOUT', 'CONFLICT', 'RATE_LIMITED', 'TOO_MANY_SUBSCRIPTIONS', 'ROOM_AT_CAPACITY', 'INTERNAL',
];

/** Why a request has no data. `code` is the server's error code, or NETWORK if there was no readable response. */
export class RequestError extends Error {
  constructor(message, code, { retryAfterMs, until } = {}) {
    super(message);
    this.code = code;
    /** Milliseconds to wait before the next try, if the server demands it. */
    this.retryAfterMs = retryAfterMs;
    /** When the reason ends, if the server says so: the end of a ban. */
    this.until = until ?? null;
  }

  /** Whether the same request may succeed later. */
  get isTransient() {
    return TRANSIENT_CODES.includes(this.code);
  }

  static from({ message, extensions }) {
    return new RequestError(message, extensions?.code, extensions);
  }
}

/** Sends a request and returns its data. */
export async function request(query, variables) {
  let result;
  try {
    const response = await fetch(ENDPOINT, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(TIMEOUT),
      referrerPolicy: 'no-referrer',
    });
    syncClock(response.headers.get('date'));
    result = await response.json();
  } catch {
    throw new RequestError('The server cannot be reached.', 'NETWORK');
  }
  if (result.errors?.length) throw RequestError.from(result.errors[0]);
  if (!result.data) throw new RequestError('The server cannot be reached.', 'NETWORK');
  return result.data;
}

/** Returns the URL for WebSockets. */
export function socketUrl() {
  const url = new URL(ENDPOINT);
  url.protocol = url.protocol.replace('http', 'ws');
  return url;
}

/** Returns the URL of a subscription over server-sent events. The server does not log query strings. */
export function streamUrl(query, variables) {
  const url = new URL(ENDPOINT);
  url.search = new URLSearchParams({ query, variables: JSON.stringify(variables) });
  return url;
}

function syncClock(date) {
  const serverTime = Date.parse(date);
  if (Number.isNaN(serverTime)) return;
  // The header has whole seconds only, so smaller differences are ignored.
  const difference = serverTime - Date.now();
  clockOffset = Math.abs(difference) < 2_000 ? 0 : difference;
}
