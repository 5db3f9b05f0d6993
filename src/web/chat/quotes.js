// The messages that replies answer. Those that the page does not know are loaded one after the other.

import { retry } from './backoff.js';
import { request } from './graphql.js';
import { ONE_MESSAGE } from './operations.js';

/** Finds messages in `history`, and adds those that it loads. Calls `onLoad()` after each. */
export class Quotes {
  #room;
  #history;
  #signal;
  #onLoad;
  #missing = new Set();
  #queue = new Set();
  #isLoading = false;

  constructor(room, history, signal, onLoad) {
    this.#room = room;
    this.#history = history;
    this.#signal = signal;
    this.#onLoad = onLoad;
  }

  /** Returns the message with this id: null if there is none, undefined while it is being loaded. */
  find(id) {
    const message = this.#history.byId(id);
    if (message || this.#missing.has(id)) return message ?? null;
    this.#queue.add(id);
    this.#load();
    return undefined;
  }

  async #load() {
    if (this.#isLoading) return;
    this.#isLoading = true;
    for (const id of this.#queue) {
      try {
        const { room } = await retry(() => request(ONE_MESSAGE, { ...this.#room, messageId: id }), this.#signal);
        if (room.message) this.#history.add(room.message);
        else this.#missing.add(id);
      } catch {
        this.#missing.add(id);
      }
      if (this.#signal.aborted) return;
      this.#queue.delete(id);
      this.#onLoad();
    }
    this.#isLoading = false;
  }
}
