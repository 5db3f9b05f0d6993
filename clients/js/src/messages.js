// The messages of a room that a client knows: all from some index on.

/** @import { Message } from './types.js' */

export class Messages {
  /** By index. @type {Map<number, Message>} */
  #messages = new Map();
  #lowest = 0;
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
    this.#lowest = 0;
    this.addEarlier(page);
  }

  /**
   * Adds the page before the first known message.
   *
   * @param {any} page
   */
  addEarlier({ nodes, pageInfo }) {
    this.#lowest = nodes[0]?.index ?? this.#lowest;
    for (const message of nodes) this.put(message);
    this.hasEarlier = pageInfo.hasPreviousPage;
    this.earlierCursor = pageInfo.startCursor;
  }

  /**
   * Adds a message from any source, unless a newer version of it is known. Returns the known one. Only events arrive in order, so
   * the reactions of a known message are those of its last event.
   *
   * @param {any} message
   * @param {boolean} [isEvent]
   * @returns {Message}
   */
  put({ reactionsBy, ...message }, isEvent) {
    const known = this.#messages.get(message.index);
    const latest = known && version(known) > version(message) ? known : message;
    const { reactions } = known && !isEvent && !latest.deletedAt ? known : message;
    const added = { ...latest, reactions, myReactions: reactionsBy ?? known?.myReactions ?? [], status: 'sent' };
    // An edit of an earlier message than the first known one would leave a gap.
    if (message.index >= this.#lowest) this.#messages.set(message.index, added);
    return added;
  }

  /** @param {string} id */
  find(id) {
    return [...this.#messages.values()].find((message) => message.id === id);
  }

  /**
   * In the order of the room.
   *
   * @returns {Message[]}
   */
  list() {
    return [...this.#messages.values()].sort((one, other) => one.index - other.index);
  }
}

/**
 * Timestamps in this format compare as strings, and `deleted` is after all digits: nothing changes after a deletion.
 *
 * @param {Message} message
 */
const version = ({ createdAt, editedAt, deletedAt }) => (deletedAt ? `deleted ${deletedAt}` : (editedAt ?? createdAt));
