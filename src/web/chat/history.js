// The messages of a room that this page knows, by their index in the room: all from `lowest` on, and single ones before it.

export class History {
  #messages = new Map();
  #indexes = new Map();
  /** Index of the earliest known message. */
  lowest = 0;
  /** Index of the latest known message; -1 if there is none. */
  newest = -1;
  /** Whether the server has messages before the earliest known one. */
  hasEarlier = false;
  /** The cursor to request them with. */
  earlierCursor = null;

  at(index) {
    return this.#messages.get(index);
  }

  /** Returns the message with this id, or undefined if the page does not know it. */
  byId(id) {
    return this.#messages.get(this.#indexes.get(id));
  }

  get isEmpty() {
    return this.newest < 0;
  }

  /** Starts again with the latest page. */
  reset({ nodes, pageInfo }) {
    this.#messages.clear();
    this.#indexes.clear();
    this.lowest = nodes[0]?.index ?? 0;
    this.newest = -1;
    nodes.forEach((message) => this.add(message));
    this.#setEarlier(pageInfo);
  }

  /** Adds the page before the earliest known message. */
  addEarlier({ nodes, pageInfo }) {
    nodes.forEach((message) => this.add(message));
    this.lowest = Math.min(this.lowest, nodes[0]?.index ?? this.lowest);
    this.#setEarlier(pageInfo);
  }

  /**
   * Adds a message from any source, unless a newer version of it is known. Only events arrive in order, so the reactions of a known
   * message are those of its last event.
   */
  add(message, isEvent = false) {
    const known = this.#messages.get(message.index);
    const latest = known && version(known) > version(message) ? known : message;
    const { reactions } = known && !isEvent && !latest.deletedAt ? known : message;
    this.#messages.set(message.index, { ...latest, reactions });
    this.#indexes.set(message.id, message.index);
    this.newest = Math.max(this.newest, message.index);
  }

  /** Returns when this user has sent its last known message, or null. Deleted messages count. */
  lastSentBy(userId) {
    for (let index = this.newest; index >= this.lowest; index -= 1) {
      const message = this.#messages.get(index);
      if (message?.author.id === userId) return message.createdAt;
    }
    return null;
  }

  /** Returns the last message of a user that is not deleted, or null. */
  latestOf(userId) {
    for (let index = this.newest; index >= this.lowest; index -= 1) {
      const message = this.#messages.get(index);
      if (message?.author.id === userId && !message.deletedAt) return message;
    }
    return null;
  }

  #setEarlier({ hasPreviousPage, startCursor }) {
    this.hasEarlier = hasPreviousPage;
    this.earlierCursor = startCursor;
  }
}

// Timestamps in this format compare as strings, and `deleted` is after all digits: nothing changes after a deletion.
const version = ({ createdAt, editedAt, deletedAt }) => (deletedAt ? `deleted ${deletedAt}` : (editedAt ?? createdAt));
