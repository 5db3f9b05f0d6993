// Following a room for as long as it takes: lost connections, servers that restart, refusals.
//
// The events come over a WebSocket, or over server-sent events where no WebSocket gets through. Whichever it is, a lost
// connection is followed by another that goes on behind the last cursor: nothing is missed and nothing comes twice.

import { openEventSource } from './event_source.js';
import { ask, Refusal } from './graphql.js';
import { FOLLOW, STATE } from './operations.js';
import { pause, persist, waitAfter } from './patience.js';
import { openSocket } from './socket.js';

/** How many of the last cursors are remembered. */
const REMEMBERED = 500;

/** How long a change that the server knows of may take to arrive before the stream counts as dead, in milliseconds. */
const OVERDUE = 5_000;

/** A connection that lasted so long was a good one, in milliseconds: the next failure is the first again. */
const LASTING = 10_000;

/** For how long WebSockets are not tried again when they were found not to get through, in milliseconds. */
const BLOCKED_FOR = 10 * 60_000;

/** How many handshakes in a row must fail, while the server answers otherwise, before WebSockets count as blocked. */
const BLOCKED_AFTER = 2;

/** The same, where a WebSocket got through before: then it is more likely a server that restarts. */
const BLOCKED_AFTER_SUCCESS = 5;

/** After so many failures in a row, WebSockets are tried again before that. */
const MISTAKEN_AFTER = 5;

/**
 * Follows a room behind the cursor `after`. Tells `on.event(event)`; `on.state('lost' | 'catching-up' | 'live', refusal)`;
 * and in the end, unless it is closed before, `on.over(refusal)`, without a refusal when the room has ended.
 */
export class Stream {
  #room;
  #on;
  #connection;
  #isOpen = false;
  #cursor;
  #seen = new Set();
  #failures = 0;
  #liveSince = Infinity;
  #refusal = null;
  #caughtUp = null;
  /** Failed handshakes of WebSockets since the last that succeeded. */
  #handshakes = 0;
  #blockedAfter = BLOCKED_AFTER;
  #blockedUntil = 0;
  #opened = new AbortController();
  #closed = new AbortController();

  constructor(room, after, on) {
    this.#room = room;
    this.#on = on;
    this.#passed(after);
    const { signal } = this.#closed;
    // What the browser says of the network is a reason to look, and proves nothing: the server may be on this machine.
    for (const hint of ['online', 'offline']) addEventListener(hint, () => this.#connection.check(), { signal });
    document.addEventListener('visibilitychange', () => document.hidden || this.#connection.check(), { signal });
    // A page that comes back from the browser's memory has lost its connection.
    addEventListener('pageshow', ({ persisted }) => persisted && this.#connect(), { signal });
    this.#connect();
  }

  /** Takes no more. */
  close() {
    this.#closed.abort();
    this.#opened.abort();
    this.#connection.close();
  }

  /** Word from elsewhere that the room has come to this cursor. When it does not arrive here, the connection is dead. */
  async expect(cursor) {
    if (!this.#isOpen || this.#seen.has(cursor)) return;
    const { signal } = this.#opened;
    await pause(OVERDUE, signal);
    if (!signal.aborted && !this.#seen.has(cursor)) this.#connect();
  }

  #connect() {
    this.#connection?.close();
    this.#opened.abort();
    this.#isOpen = false;
    this.#refusal = null;
    const { id, code } = this.#room;
    const isSocket = 'WebSocket' in globalThis && Date.now() >= this.#blockedUntil;
    const open = isSocket ? openSocket : openEventSource;
    this.#connection = open(FOLLOW, { roomId: id, roomCode: code, after: this.#cursor }, {
      open: () => {
        this.#isOpen = true;
        if (isSocket) this.#socketWorks();
        this.#catchUp();
      },
      result: (result) => this.#take(result),
      complete: () => this.#complete(),
      lost: (reason) => {
        if (isSocket && (!this.#isOpen || reason.isHopeless)) this.#socketFails(reason);
        if (!isSocket && this.#failures >= MISTAKEN_AFTER) this.#blockedUntil = 0;
        this.#lost();
        this.#comeBack();
      },
    });
  }

  #socketWorks() {
    this.#handshakes = 0;
    this.#blockedAfter = BLOCKED_AFTER_SUCCESS;
  }

  #socketFails({ isHopeless, isTimeout }) {
    // Nobody waits through a timeout as often as through an error.
    this.#handshakes += isHopeless ? this.#blockedAfter : isTimeout ? 2 : 1;
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
    this.#liveSince = Date.now();
    this.#on.state('live');
  }

  #lost() {
    if (Date.now() - this.#liveSince > LASTING) this.#failures = 0;
    this.#liveSince = Infinity;
    this.#isOpen = false;
    this.#opened.abort();
    this.#on.state('lost', this.#refusal);
  }

  /** The server says that this stream is over. */
  #complete() {
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
    const connection = this.#connection;
    const isStale = () => this.#connection !== connection || this.#closed.signal.aborted;
    await pause(waitAfter(this.#failures, refusal), this.#closed.signal);
    if (isStale()) return;
    const areBlocked = this.#handshakes >= this.#blockedAfter && (await this.#isServerThere());
    if (isStale()) return;
    if (areBlocked) {
      this.#handshakes = 0;
      this.#blockedUntil = Date.now() + BLOCKED_FOR;
    }
    this.#connect();
  }

  /** Whether the server answers over HTTP, be it with a refusal. */
  async #isServerThere() {
    try {
      await ask(STATE, this.#room);
      return true;
    } catch ({ code }) {
      return code !== 'NETWORK';
    }
  }
}
