// Following a room through EventSource, for as long as it takes: lost connections, servers that restart, refusals.
//
// A browser's EventSource comes back by itself after a lost connection, with the id of the last event, and the server
// goes on from there. It gives up when it is answered with anything but a stream; then a new one is opened here, with the
// last cursor. Either way nothing is missed and nothing comes twice.

import { ask, Refusal, streamUrl } from './graphql.js';
import { FOLLOW, STATE } from './operations.js';
import { pause, persist, waitAfter } from './patience.js';

/** How many of the last cursors are remembered. */
const REMEMBERED = 500;

/** How long a change that the server knows of may take to arrive before the stream counts as dead, in milliseconds. */
const OVERDUE = 5_000;

/**
 * Follows a room behind the cursor `after`. Tells `on.event(event)`; `on.state('lost' | 'catching-up' | 'live', refusal)`;
 * and in the end, unless it is closed before, `on.over(refusal)`, without a refusal when the room has ended.
 */
export class Stream {
  #room;
  #on;
  #source;
  #cursor;
  #seen = new Set();
  #failures = 0;
  #refusal = null;
  #caughtUp = null;
  #opened = new AbortController();
  #closed = new AbortController();

  constructor(room, after, on) {
    this.#room = room;
    this.#on = on;
    this.#passed(after);
    const { signal } = this.#closed;
    addEventListener('online', () => this.#connect(), { signal });
    addEventListener('offline', () => this.#lost(), { signal });
    // A page that comes back from the browser's memory has lost its connection.
    addEventListener('pageshow', ({ persisted }) => persisted && this.#connect(), { signal });
    this.#connect();
  }

  /** Takes no more. */
  close() {
    this.#closed.abort();
    this.#opened.abort();
    this.#source?.close();
  }

  /** Word from elsewhere that the room has come to this cursor. When it does not arrive here, the connection is dead. */
  async expect(cursor) {
    if (this.#source?.readyState !== EventSource.OPEN || this.#seen.has(cursor)) return;
    const { signal } = this.#opened;
    await pause(OVERDUE, signal);
    if (!signal.aborted && !this.#seen.has(cursor)) this.#connect();
  }

  #connect() {
    this.#source?.close();
    this.#opened.abort();
    this.#refusal = null;
    const { id, code } = this.#room;
    const source = new EventSource(streamUrl(FOLLOW, { roomId: id, roomCode: code, after: this.#cursor }));
    this.#source = source;
    source.addEventListener('open', () => this.#catchUp());
    source.addEventListener('next', ({ data }) => this.#take(JSON.parse(data)));
    source.addEventListener('complete', () => this.#complete());
    source.addEventListener('error', () => {
      this.#lost();
      if (source.readyState === EventSource.CLOSED) this.#comeBack();
    });
  }

  #take({ data, errors }) {
    if (errors?.length) {
      this.#refusal = Refusal.of(errors[0]);
      return;
    }
    const event = data.messageEvents;
    this.#passed(event.cursor);
    this.#on.event(event);
    if (event.cursor === this.#caughtUp) this.#live();
  }

  #passed(cursor) {
    this.#cursor = cursor;
    this.#seen.add(cursor);
    if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value);
  }

  /** The connection stands. Where the room is now is where this reader has to come to. */
  async #catchUp() {
    this.#opened.abort();
    this.#opened = new AbortController();
    const { signal } = this.#opened;
    this.#caughtUp = null;
    this.#on.state('catching-up');
    try {
      const { room } = await persist(() => ask(STATE, this.#room), signal);
      if (signal.aborted) return;
      if (this.#seen.has(room.cursor)) this.#live();
      else this.#caughtUp = room.cursor;
    } catch {
      // The stream itself is told the same reason, and its word counts.
    }
  }

  #live() {
    this.#caughtUp = null;
    this.#failures = 0;
    this.#on.state('live');
  }

  #lost() {
    this.#opened.abort();
    this.#on.state('lost', this.#refusal);
  }

  /** The server says that this stream is over. */
  #complete() {
    this.#source.close();
    this.#opened.abort();
    if (this.#refusal?.passes) {
      this.#lost();
      this.#comeBack(this.#refusal);
    } else {
      this.close();
      this.#on.over(this.#refusal);
    }
  }

  async #comeBack(refusal) {
    this.#failures += 1;
    const source = this.#source;
    await pause(waitAfter(this.#failures, refusal), this.#closed.signal);
    if (this.#source === source && !this.#closed.signal.aborted) this.#connect();
  }
}
