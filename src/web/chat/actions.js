// Edits and deletions of the user's own messages. Transient errors are retried until `signal` is aborted.

import { retry } from './backoff.js';
import { request } from './graphql.js';
import { actAsUser } from './identity.js';
import { DELETE, EDIT } from './operations.js';

/** Replaces the text. Returns the changed message. */
export function editMessage(room, message, text, signal, onWait) {
  return change(EDIT, room, { messageId: message.id, text }, signal, onWait);
}

/** Deletes the message. Returns the changed message. */
export function deleteMessage(room, message, signal, onWait) {
  return change(DELETE, room, { messageId: message.id }, signal, onWait);
}

async function change(query, { id: roomId, code: roomCode }, input, signal, onWait) {
  const attempt = () =>
    actAsUser(async ({ userId, token }) => {
      const { payload } = await request(query, { input: { roomId, roomCode, userId, token, ...input } });
      return payload;
    });
  return (await retry(attempt, signal, onWait)).message;
}
