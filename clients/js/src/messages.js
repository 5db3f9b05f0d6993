// The messages of a room that a client knows: all from some index on.

/** @import { Message } from './types.js' */

export class Messages {
  /** By index. @type {Map<number, Message>} */
  #messages = new Map();
  #lowest = 0;
  #newest = -1;
  /** Whether the server has messages before the first known one. */
  hasEarlier = false;
  /** The cursor to request them with. @type {string | null} */
  earlierCursor = null;

  /**
   * Starts again with the latest page.
   *
   * @param {any} page
   */
  reset(page) {
    this.#messages.clear();
    this.#lowest = page.nodes[0]?.index ?? 0;
    this.#newest = -1;
    this.addEarlier(page);
  }

  /**
   * Adds the page before the first known message.
   *
   * @param {any} page
   */
  addEarlier({ nodes, pageInfo }) {
    this.#lowest = Math.min(this.#lowest, nodes[0]?.index ?? this.#lowest);
    for (const message of nodes) this.put(message);
    this.hasEarlier = pageInfo.hasPreviousPage;
    this.earlierCursor = pageInfo.startCursor;
  }

  /**
   * Adds a message from any source, unless a newer version of it is known. Returns the known one.
   *
   * @param {any} message
   * @returns {Message}
   */
  put({ reactionsBy, ...message }) {
    const known = this.#messages.get(message.index);
    if (known && version(known) > version(message)) return known;
    const added = { ...message, myReactions: reactionsBy ?? known?.myReactions ?? [], status: 'sent' };
    // An edit of an earlier message than the first known one would leave a gap.
    if (message.index >= this.#lowest) this.#messages.set(message.index, added);
    this.#newest = Math.max(this.#newest, message.index);
    return added;
  }

  /** @param {string} id */
  find(id) {
    for (const message of this.#messages.values()) if (message.id === id) return message;
  }

  /**
   * In the order of the room.
   *
   * @returns {Message[]}
   */
  list() {
    const list = [];
    for (let index = this.#lowest; index <= this.#newest; index += 1) {
      const message = this.#messages.get(index);
      if (message) list.push(message);
    }
    return list;
  }
}

/**
 * Timestamps in this format compare as strings, and `deleted` is after all digits: nothing changes after a deletion.
 *
 * @param {Message} message
 */
const version = ({ createdAt, editedAt, deletedAt }) => (deletedAt ? `deleted ${deletedAt}` : (editedAt ?? createdAt));
