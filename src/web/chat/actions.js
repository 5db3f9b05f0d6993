// Changing one's own messages. What passes by itself is tried again until `signal` says that nobody wants it any more.

import { ask } from './graphql.js';
import { act } from './identity.js';
import { DELETE, EDIT } from './operations.js';
import { persist } from './patience.js';

/** Replaces the text; the message as it is then. */
export function editMessage(room, message, text, signal, told) {
  return change(EDIT, room, { messageId: message.id, text }, signal, told);
}

/** Deletes the message; the message as it is then. */
export function deleteMessage(room, message, signal, told) {
  return change(DELETE, room, { messageId: message.id }, signal, told);
}

async function change(query, { id: roomId, code: roomCode }, input, signal, told) {
  const once = () =>
    act(async ({ userId, token }) => (await ask(query, { input: { roomId, roomCode, userId, token, ...input } })).done);
  return (await persist(once, signal, told)).message;
}
