// Loads messages before those that the page knows.

import { retry } from './backoff.js';
import { request } from './graphql.js';
import { currentUser } from './identity.js';
import { EARLIER_MESSAGES } from './operations.js';

export class Loader {
  #room;
  #history;
  #signal;
  #onLoad;
  #loading = null;

  /** Adds pages to `history`, and calls `onLoad(messages)` for each. */
  constructor(room, history, signal, onLoad) {
    this.#room = room;
    this.#history = history;
    this.#signal = signal;
    this.#onLoad = onLoad;
  }

  /** Loads the page before the earliest known message. Resolves to whether there was one. */
  loadEarlier() {
    this.#loading ??= this.#load().finally(() => (this.#loading = null));
    return this.#loading;
  }

  /** Loads pages until the message with this index is among them, but at most about `limit` messages. */
  async loadUntil(index, limit) {
    if (this.#history.lowest - index > limit) return;
    while (this.#history.lowest > index && (await this.loadEarlier()));
  }

  async #load() {
    const before = this.#history.earlierCursor;
    try {
      const variables = { ...this.#room, userId: currentUser().userId, before };
      const { room } = await retry(() => request(EARLIER_MESSAGES, variables), this.#signal);
      // The history may have been reset in the meantime.
      if (before !== this.#history.earlierCursor) return false;
      this.#history.addEarlier(room.messages);
      this.#onLoad(room.messages.nodes);
      return true;
    } catch {
      return false;
    }
  }
}
