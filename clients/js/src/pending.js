// The messages of an outbox as the state of a room shows them.

/** @import { Entry } from './outbox.js' */
/** @import { Chatter, PendingMessage } from './types.js' */

export class PendingMessages {
  /** The user as their author. @type {Chatter | null} */
  #author = null;
  /** @type {WeakMap<Readonly<Entry>, PendingMessage>} */
  #shown = new WeakMap();

  /**
   * Shows each entry as the same object until it changes.
   *
   * @param {readonly Readonly<Entry>[]} entries
   * @param {string} id The user.
   * @param {string} displayName
   * @param {boolean} isOwner
   */
  show(entries, id, displayName, isOwner) {
    if (this.#author?.id !== id || this.#author.displayName !== displayName) {
      this.#author = { id, displayName, avatarUrl: null, isVerified: id.startsWith('@') };
      this.#shown = new WeakMap();
    }
    const author = this.#author;
    return entries.map((entry) => {
      const shown = this.#shown.get(entry) ?? pendingMessage(entry, author, isOwner);
      this.#shown.set(entry, shown);
      return shown;
    });
  }
}

/**
 * @param {Readonly<Entry>} entry
 * @param {Chatter} author
 * @param {boolean} isOwner
 * @returns {PendingMessage}
 */
function pendingMessage({ id, text, replyToId, createdAt, status, error }, author, isOwner) {
  const unset = { index: null, editedAt: null, deletedAt: null, deletedBy: null, reactions: [], myReactions: [] };
  return { ...unset, id, clientMessageId: id, author, authorRole: isOwner ? 'OWNER' : 'MEMBER', text, replyToId, createdAt, status, error };
}
