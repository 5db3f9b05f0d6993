// The messages that replies answer. Those that the room's state does not have are loaded one after the other.

/** Finds messages in `history` and in the room. Calls `onLoad()` after each that it has loaded. */
export class Quotes {
  #room;
  #history;
  #onLoad;
  #earlier = new Map();
  #missing = new Set();
  #queue = new Set();
  #isLoading = false;

  constructor(room, history, onLoad) {
    this.#room = room;
    this.#history = history;
    this.#onLoad = onLoad;
  }

  /** Returns the message with this id: null if there is none, undefined while it is being loaded. */
  find(id) {
    const message = this.#history.byId(id) ?? this.#earlier.get(id);
    if (message || this.#missing.has(id)) return message ?? null;
    this.#queue.add(id);
    this.#load();
    return undefined;
  }

  /** A message has changed. */
  update(message) {
    if (this.#earlier.has(message.id)) this.#earlier.set(message.id, message);
  }

  async #load() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    for (const id of this.#queue) {
      try {
        const message = await this.#room.find(id);
        if (message) this.#earlier.set(id, message);
        else this.#missing.add(id);
      } catch {
        this.#missing.add(id);
      }
      this.#queue.delete(id);
      this.#onLoad();
    }
    this.#isLoading = false;
  }
}
