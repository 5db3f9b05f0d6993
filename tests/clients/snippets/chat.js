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
/** Executes a query or mutation over HTTP. Gives `{ data, errors }`. */
export const post = (url) => async (query, variables) => {
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ query, variables });
  return (await fetch(`${url}/graphql`, { method: 'POST', headers, body })).json();
};

/** The data of an answer; throws its errors. */
export function dataOf({ data, errors }) {
  if (errors?.length) throw errors;
  return data;
}

/** Makes a room, for `openChat`. Whoever is given both, id and code, can enter it. */
export async function createRoom(execute) {
  const { createRoom } = dataOf(await execute(CREATE));
  return { roomId: createRoom.room.id, roomCode: createRoom.room.code };
}

const PASSES = ['RATE_LIMITED', 'UNAVAILABLE', 'TIMEOUT', 'OVERLOADED', 'CURSOR_INVALID'];

/** Tries until it is done, later each time. What was refused for good is thrown: an error with a `code`. */
async function persist(attempt) {
  for (let longest = 1000; ; longest = Math.min(2 * longest, 30_000)) {
    try {
      return await attempt();
    } catch (failure) {
      const [error] = Array.isArray(failure) ? failure : []; // Otherwise it was lost on the way.
      const { code, retryAfterMs = Math.random() * longest } = error?.extensions ?? {};
      if (error && !PASSES.includes(code)) throw Object.assign(new Error(error.message), error.extensions);
      if (!error) console.warn('Trying again.', failure);
      await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
    }
  }
}
// #endregion

// #region user
/** Acts for one user, one action after the other. `execute(query, variables)` gives `{ data, errors }`. */
export function userOf(execute, me = { userId: crypto.randomUUID(), token: crypto.randomUUID().replaceAll('-', '') }) {
  let last = Promise.resolve();

  const act = (mutation, input) =>
    // Who lost the answer asks the same once more, which is safe.
    persist(async () => {
      const [accepted] = Object.values(dataOf(await execute(mutation, { input: { ...me, ...input } })));
      me.token = accepted.token; // Good for the next action; keep `me` where it outlives the page.
      return accepted.message;
    });

  return (mutation, input) => (last = last.catch(() => {}).then(() => act(mutation, input)));
}
// #endregion

// #region keep up
/**
 * Keeps up with a room until it ends or `left` is aborted. `read()` shows it as it is and gives the cursor; `listen(after)`
 * takes its events from there, leaves in `left.onabort` how to stop, and throws what it is refused with: then it is stopped,
 * and the room read anew.
 */
export const keepUp = (left, read, listen) =>
  persist(async () => {
    const after = !left.aborted && (await read());
    if (!left.aborted) await listen(after).finally(() => left.onabort());
  });
// #endregion

// #region put
/** The messages with this one in its place: sent, edited, deleted, or answered for by the server. */
export function put(messages, message) {
  const isIt = ({ id, clientMessageId }) =>
    id === message.id || (clientMessageId && clientMessageId === message.clientMessageId);
  return messages.some(isIt) ? messages.map((other) => (isIt(other) ? message : other)) : [...messages, message];
}
// #endregion
