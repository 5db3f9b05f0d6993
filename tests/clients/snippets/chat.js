// What every program needs that chats, whatever library it uses.

// #region operations
const LINE = 'fragment Line on Message { id index text deletedAt editedAt clientMessageId author { id displayName } }';

export const CREATE = 'mutation Create { createRoom { room { id code } } }';
export const ROOM = `query Room($roomId: ID!, $roomCode: String!) {
  room(id: $roomId, code: $roomCode) { id cursor messages(last: 50) { nodes { ...Line } } }
} ${LINE}`;
export const EVENTS = `subscription Events($roomId: ID!, $roomCode: String!, $after: String) {
  messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { __typename cursor message { ...Line } }
} ${LINE}`;
export const SEND = `mutation Send($input: SendMessageInput!) {
  sendMessage(input: $input) { token message { ...Line } }
} ${LINE}`;
export const EDIT = `mutation Edit($input: EditMessageInput!) {
  editMessage(input: $input) { token message { ...Line } }
} ${LINE}`;
export const DELETE = `mutation Delete($input: DeleteMessageInput!) {
  deleteMessage(input: $input) { token message { ...Line } }
} ${LINE}`;
// #endregion

// #region requests
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

/** Creates a room for `openChat`. Anyone who has its id and its code can enter it. */
export async function createRoom(execute) {
  const { createRoom } = dataOf(await execute(CREATE));
  return { roomId: createRoom.room.id, roomCode: createRoom.room.code };
}

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
      if (!error) console.warn('Retrying.', failure);
      await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
    }
  }
}
// #endregion

// #region user
/** Acts for one user, one action at a time. `execute(query, variables)` returns `{ data, errors }`. */
export function userOf(execute, me = { userId: crypto.randomUUID(), token: crypto.randomUUID().replaceAll('-', '') }) {
  let last = Promise.resolve();

  const act = (mutation, input) =>
    // Repeating an action whose response was lost is safe.
    retry(async () => {
      const [accepted] = Object.values(dataOf(await execute(mutation, { input: { ...me, ...input } })));
      me.token = accepted.token; // For the next action; store `me` where it outlives the page.
      return accepted.message;
    });

  return (mutation, input) => (last = last.catch(() => {}).then(() => act(mutation, input)));
}
// #endregion

// #region follow room
/**
 * Follows a room until it ends or `leaving` is aborted. `read()` shows the room as it is and returns its cursor.
 * `listen(after)` applies the events after that cursor. It sets `leaving.onabort` to a function that unsubscribes, and
 * throws if the server refuses. Then this function unsubscribes and reads the room again.
 */
export const followRoom = (leaving, read, listen) =>
  retry(async () => {
    const after = !leaving.aborted && (await read());
    if (!leaving.aborted) await listen(after).finally(() => leaving.onabort());
  });
// #endregion

// #region upsert
/** Returns `messages` with this message added, or in the place of its older or optimistic version. */
export function upsert(messages, message) {
  const isSame = ({ id, clientMessageId }) =>
    id === message.id || (clientMessageId && clientMessageId === message.clientMessageId);
  return messages.some(isSame) ? messages.map((other) => (isSame(other) ? message : other)) : [...messages, message];
}
// #endregion
