// One request over HTTP: its data, or a Refusal that says why not and whether to try again.

const ENDPOINT = new URL('graphql', location.href.split('#')[0]);

/** How long an answer may take, in milliseconds. After that it counts as lost. */
const DEADLINE = 10_000;

/** By how much the clock of the server is ahead of the one here, in milliseconds. */
let ahead = 0;

/** What time it is for the server, in milliseconds. */
export const serverNow = () => Date.now() + ahead;

/** Codes of refusals that pass by themselves. */
const PASSING = ['UNAVAILABLE', 'OVERLOADED', 'TIMEOUT', 'CONFLICT', 'RATE_LIMITED', 'TOO_MANY_SUBSCRIPTIONS', 'INTERNAL'];

/** Why there is no data. `code` is the server's, or NETWORK when there was no answer that can be read. */
export class Refusal extends Error {
  constructor(message, code, retryAfterMs) {
    super(message);
    this.code = code;
    /** Milliseconds to wait before the next try, when the server said so. */
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether the same request may succeed later. */
  get passes() {
    return this.code === 'NETWORK' || PASSING.includes(this.code);
  }

  static of({ message, extensions }) {
    return new Refusal(message, extensions?.code, extensions?.retryAfterMs);
  }
}

/** Asks the server. */
export async function ask(query, variables) {
  let answer;
  try {
    const response = await fetch(ENDPOINT, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/graphql-response+json' },
      body: JSON.stringify({ query, variables }),
      signal: AbortSignal.timeout(DEADLINE),
      referrerPolicy: 'no-referrer',
    });
    setClock(response.headers.get('date'));
    answer = await response.json();
  } catch {
    throw new Refusal('The server cannot be reached.', 'NETWORK');
  }
  if (answer.errors?.length) throw Refusal.of(answer.errors[0]);
  if (!answer.data) throw new Refusal('The server cannot be reached.', 'NETWORK');
  return answer.data;
}

/** Where WebSockets are opened. */
export function socketUrl() {
  const url = new URL(ENDPOINT);
  url.protocol = url.protocol.replace('http', 'ws');
  return url;
}

/** Where the events of a subscription come from. The server takes the query from the address, and logs no addresses. */
export function streamUrl(query, variables) {
  const url = new URL(ENDPOINT);
  url.search = new URLSearchParams({ query, variables: JSON.stringify(variables) });
  return url;
}

function setClock(date) {
  const moment = Date.parse(date);
  // The header counts whole seconds, so a difference below two is none.
  if (!Number.isNaN(moment)) ahead = Math.abs(moment - Date.now()) < 2_000 ? 0 : moment - Date.now();
}
