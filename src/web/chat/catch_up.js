// Whether a room has received everything that it missed while its connection was lost.

import { chat } from './client.js';
import { CURSOR } from './operations.js';

/** Number of recent cursors to remember. */
const MAX_CURSORS = 500;

/** Pause before the cursor is requested again, in milliseconds. */
const RETRY_AFTER = 1_000;

export class CatchUp {
  #room;
  #key;
  #recent = new Set();
  #target = null;
  #onEnd = null;
  #timer;

  /** `key` is `{ id, code }`. */
  constructor(room, key, signal) {
    this.#room = room;
    this.#key = key;
    room.addEventListener('event', ({ detail }) => this.#note(detail.cursor), { signal });
    signal.addEventListener('abort', () => this.stop());
  }

  /** Calls `onEnd()` once the room has received everything that has happened until now, unless it is stopped before. */
  start(onEnd) {
    this.stop();
    this.#onEnd = onEnd;
    this.#note(this.#room.state.cursor);
    this.#requestTarget(onEnd);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#onEnd = null;
    this.#target = null;
  }

  async #requestTarget(onEnd) {
    try {
      const { cursor } = (await chat.request(CURSOR, this.#key)).room;
      if (this.#onEnd !== onEnd) return;
      this.#target = cursor;
      if (this.#recent.has(cursor)) this.#end();
    } catch (error) {
      if (this.#onEnd !== onEnd) return;
      if (error.isTransient) this.#timer = setTimeout(() => this.#requestTarget(onEnd), error.retryAfterMs ?? RETRY_AFTER);
      // The connection gets the same error and handles it.
      else this.#end();
    }
  }

  #note(cursor) {
    this.#recent.add(cursor);
    if (this.#recent.size > MAX_CURSORS) this.#recent.delete(this.#recent.values().next().value);
    if (cursor === this.#target) this.#end();
  }

  #end() {
    const onEnd = this.#onEnd;
    this.stop();
    onEnd?.();
  }
}
