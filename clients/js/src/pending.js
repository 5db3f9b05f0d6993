// The messages of an outbox as the state of a room shows them.

/** @import { Entry } from './outbox.js' */
/** @import { PendingMessage } from './types.js' */

/**
 * @param {Readonly<Entry>} entry
 * @param {string} userId Its author.
 * @param {string} displayName
 * @param {boolean} isOwner
 * @returns {PendingMessage}
 */
export function pendingMessage({ id, text, replyToId, createdAt, status, error }, userId, displayName, isOwner) {
  const author = { id: userId, displayName, avatarUrl: null, isVerified: userId.startsWith('@') };
  const unset = { index: null, editedAt: null, deletedAt: null, deletedBy: null, reactions: [], myReactions: [] };
  return { ...unset, id, clientMessageId: id, author, authorRole: isOwner ? 'OWNER' : 'MEMBER', text, replyToId, createdAt, status, error };
}
