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

// #region user
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Acts for one user, one action after the other. `execute(query, variables)` gives `{ data, errors }`. */
export function userOf(execute, me = { userId: crypto.randomUUID(), token: crypto.randomUUID().replaceAll('-', '') }) {
  let last = Promise.resolve();

  async function act(mutation, input) {
    for (;;) {
      let answer;
      try {
        answer = await execute(mutation, { input: { ...me, ...input } });
      } catch {
        await sleep(1000); // The answer is lost, or the request: the same once more is safe.
        continue;
      }
      if (!answer.errors) {
        const [accepted] = Object.values(answer.data);
        me.token = accepted.token; // Good for the next action; keep `me` where it outlives the page.
        return accepted.message;
      }
      const [{ message, extensions }] = answer.errors;
      if (extensions.code !== 'RATE_LIMITED') throw Object.assign(new Error(message), extensions);
      await sleep(extensions.retryAfterMs);
    }
  }

  return (mutation, input) => (last = last.catch(() => {}).then(() => act(mutation, input)));
}
// #endregion

// #region put
/** The messages with this one in its place: sent, edited, deleted, or answered for by the server. */
export function put(messages, message) {
  const isIt = ({ id, clientMessageId }) =>
    id === message.id || (clientMessageId && clientMessageId === message.clientMessageId);
  return messages.some(isIt) ? messages.map((other) => (isIt(other) ? message : other)) : [...messages, message];
}
// #endregion
