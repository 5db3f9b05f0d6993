// The events of a room as an async iterator.

import { LiveChatError } from './errors.js';

/** @import { RoomEvent } from './types.js' */

/** Number of events that wait to be read. */
const MAX_QUEUED = 10_000;

/** @implements {AsyncIterator<RoomEvent>} */
export class EventIterator {
  /** @type {RoomEvent[]} */
  #queue = [];
  /** @type {(() => void)[]} */
  #waiting = [];
  /** Undefined until the iterator ends. @type {LiveChatError | null | undefined} */
  #end;
  #onEnd;

  /** @param {() => void} onEnd */
  constructor(onEnd) {
    this.#onEnd = onEnd;
  }

  /** @param {RoomEvent} event */
  push(event) {
    this.#queue.push(event);
    if (this.#queue.length > MAX_QUEUED) {
      this.#queue = [];
      this.end(new LiveChatError('LAGGED', 'The events of the room were read too slowly.'));
    }
    this.#waiting.shift()?.();
  }

  /** @param {LiveChatError | null} error */
  end(error) {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#onEnd();
    this.#waiting.splice(0).forEach((wake) => wake());
  }

  /** @returns {Promise<IteratorResult<RoomEvent>>} */
  async next() {
    if (this.#queue.length === 0 && this.#end === undefined) await new Promise((resolve) => this.#waiting.push(() => resolve(null)));
    const event = this.#queue.shift();
    if (event) return { done: false, value: event };
    const error = this.#end;
    this.#end = null;
    if (error) throw error;
    return { done: true, value: undefined };
  }

  /** @returns {Promise<IteratorResult<RoomEvent>>} */
  async return() {
    this.#queue = [];
    this.end(null);
    return { done: true, value: undefined };
  }
}
