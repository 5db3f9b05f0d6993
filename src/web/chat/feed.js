// What the server tells about a room: its events, and its state on request.

import { retry } from './backoff.js';
import { request } from './graphql.js';
import { currentUser } from './identity.js';
import { ROOM, ROOM_STATE } from './operations.js';
import { Stream } from './stream.js';

/**
 * Calls those of `Stream` and, if the server has lost its last writes, so that it no longer knows our cursor, `on.reload()` and
 * `on.reset(room)` with the room as it is then. Calls `on.counts(room)` for each refresh.
 */
export class Feed {
  #room;
  #on;
  #stream;
  #closed = new AbortController();

  constructor(room, cursor, on) {
    this.#room = room;
    this.#on = on;
    this.#subscribe(cursor);
  }

  /** Requests the state of the room. Its cursor lets the stream notice a dead connection. */
  async refresh() {
    try {
      const { room } = await request(ROOM_STATE, this.#room);
      if (this.#closed.signal.aborted) return;
      this.#on.counts(room);
      this.#stream.expectCursor(room.cursor);
    } catch {
      // The stream handles connection problems.
    }
  }

  close() {
    this.#closed.abort();
    this.#stream.close();
  }

  #subscribe(cursor) {
    this.#stream = new Stream(this.#room, cursor, { ...this.#on, end: (error) => this.#end(error) });
  }

  #end(error) {
    if (error?.code === 'CURSOR_INVALID') this.#reload();
    else this.#on.end(error);
  }

  async #reload() {
    const { signal } = this.#closed;
    this.#on.reload();
    try {
      const { room } = await retry(() => request(ROOM, { ...this.#room, userId: currentUser().userId }), signal);
      if (signal.aborted) return;
      this.#on.reset(room);
      this.#subscribe(room.cursor);
    } catch (error) {
      if (!signal.aborted) this.#on.end(error);
    }
  }
}
