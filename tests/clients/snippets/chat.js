// What every snippet uses: the operations, the user, and how to follow a room.

// #region operations
const LINE = 'fragment Line on Message { id index text deletedAt editedAt author { id displayName } }';

export const CREATE = 'mutation Create { createRoom { room { id code } } }';
export const ROOM = `query Room($roomId: ID!, $roomCode: String!) {
  room(id: $roomId, code: $roomCode) { id cursor messages(last: 50) { nodes { ...Line } } }
} ${LINE}`;
export const EVENTS = `subscription Events($roomId: ID!, $roomCode: String!, $after: String) {
  messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { __typename cursor message { ...Line } }
} ${LINE}`;
export const SEND = 'mutation Send($input: SendMessageInput!) { sendMessage(input: $input) { token message { id } } }';
export const EDIT = 'mutation Edit($input: EditMessageInput!) { editMessage(input: $input) { token message { id } } }';
export const DELETE = 'mutation Delete($input: DeleteMessageInput!) { deleteMessage(input: $input) { token message { id } } }';

/** Executes a query or mutation over HTTP. Returns `{ data, errors }`. */
export const post = (url) => async (query, variables) => {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ query, variables });
  return (await fetch(`${url}/graphql`, { method: 'POST', headers, body })).json();
};

/** Returns the data of a response; throws its errors. */
export function dataOf({ data, errors }) {
  if (errors?.length) throw errors;
  return data;
}

/** Returns `messages` with this message added, or in the place of its older version. */
export function upsert(messages, message) {
  const isKnown = messages.some(({ id }) => id === message.id);
  return isKnown ? messages.map((other) => (other.id === message.id ? message : other)) : [...messages, message];
}
// #endregion

// #region retries
const TEMPORARY = ['RATE_LIMITED', 'UNAVAILABLE', 'TIMEOUT', 'OVERLOADED', 'CURSOR_INVALID'];

/** Retries with growing pauses until `attempt` succeeds. Throws a permanent refusal: an error with a `code`. */
async function retry(attempt) {
  for (let maxPause = 1000; ; maxPause = Math.min(2 * maxPause, 30_000)) {
    try {
      return await attempt();
    } catch (failure) {
      const [error] = Array.isArray(failure) ? failure : []; // Otherwise the connection failed.
      const { code, retryAfterMs = Math.random() * maxPause } = error?.extensions ?? {};
      if (error && !TEMPORARY.includes(code)) throw Object.assign(new Error(error.message), error.extensions);
      await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
    }
  }
}

/** Acts for one user in a room, one action at a time: `act(SEND, { text, clientMessageId: crypto.randomUUID() })`. */
export function userOf(execute, room, me = { userId: crypto.randomUUID(), token: crypto.randomUUID().replaceAll('-', '') }) {
  let last = Promise.resolve();
  return (mutation, input) => {
    // Repeating an action whose response was lost is safe.
    const act = () => retry(async () => {
      const [accepted] = Object.values(dataOf(await execute(mutation, { input: { ...room, ...me, ...input } })));
      me.token = accepted.token; // For the next action; store `me` where it outlives the page.
      return accepted.message;
    });
    return (last = last.catch(() => {}).then(act));
  };
}

/**
 * Follows a room until it ends or `leaving` is aborted. `read()` shows the room as it is and returns its cursor. `listen(after)`
 * applies the events after that cursor. It sets `leaving.onabort` to a function that unsubscribes, and throws if the server
 * refuses, for example a cursor that a failover has lost. Then this function reads the room again.
 */
export const followRoom = (leaving, read, listen) =>
  retry(async () => {
    const after = !leaving.aborted && (await read());
    if (!leaving.aborted) await listen(after).finally(() => leaving.onabort());
  });
// #endregion
