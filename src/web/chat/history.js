// The messages of a room as far as they are known here: everything from `lowest` on, by their place in the room.

/** An empty history. */
export class History {
  #messages = new Map();
  /** Place of the earliest known message. */
  lowest = 0;
  /** Place of the latest known message; -1 when there is none. */
  newest = -1;
  /** Whether the server has messages before the earliest known one. */
  hasEarlier = false;
  /** What to give the server to get them. */
  earlierCursor = null;

  at(index) {
    return this.#messages.get(index);
  }

  get isEmpty() {
    return this.newest < 0;
  }

  /** Begins anew with the latest page. */
  reset({ nodes, pageInfo }) {
    this.#messages.clear();
    this.lowest = nodes[0]?.index ?? 0;
    this.newest = -1;
    nodes.forEach((message) => this.take(message));
    this.#earlier(pageInfo);
  }

  /** Takes the page before the earliest known message. */
  addEarlier({ nodes, pageInfo }) {
    nodes.forEach((message) => this.take(message));
    this.lowest = Math.min(this.lowest, nodes[0]?.index ?? this.lowest);
    this.#earlier(pageInfo);
  }

  /** Takes a message from wherever it comes; what was true before never replaces what is true now. */
  take(message) {
    const known = this.#messages.get(message.index);
    if (known && stamp(known) > stamp(message)) return;
    this.#messages.set(message.index, message);
    this.newest = Math.max(this.newest, message.index);
  }

  /** The last message of a user that is not deleted, or null. */
  latestOf(userId) {
    for (let index = this.newest; index >= this.lowest; index -= 1) {
      const message = this.#messages.get(index);
      if (message?.author.id === userId && !message.deletedAt) return message;
    }
    return null;
  }

  #earlier({ hasPreviousPage, startCursor }) {
    this.hasEarlier = hasPreviousPage;
    this.earlierCursor = startCursor;
  }
}

// Moments in this form can be compared as texts; nothing follows a deletion.
const stamp = ({ createdAt, editedAt, deletedAt }) => (deletedAt ? `deleted ${deletedAt}` : (editedAt ?? createdAt));
