// The events of a room, across lost connections, server restarts and transient errors.
//
// Events arrive over a WebSocket, or over server-sent events if WebSockets are blocked. After a lost connection, the next one
// resumes after the last cursor, so no event is missed or received twice.

import { delayAfter, pause, retry } from './backoff.js';
import { openEventSource } from './event_source.js';
import { request, RequestError } from './graphql.js';
import { ROOM_EVENTS, ROOM_STATE } from './operations.js';
import { openSocket } from './socket.js';

/** Number of recent cursors to remember. */
const MAX_CURSORS = 500;

/** How long an event that the server has reported may take to arrive before the connection counts as dead, in milliseconds. */
const EVENT_TIMEOUT = 5_000;

/** A connection that was live for this long resets the count of failures, in milliseconds. */
const STABLE_AFTER = 10_000;

/** How long WebSockets are not tried again once they count as blocked, in milliseconds. */
const BLOCKED_FOR = 10 * 60_000;

/** Failed handshakes in a row, while the server responds over HTTP, after which WebSockets count as blocked. */
const BLOCKED_AFTER = 2;

/** The same if a WebSocket has worked before: then a restart of the server is more likely. */
const BLOCKED_AFTER_SUCCESS = 5;

/** If server-sent events fail after this many failures in a row, of any connection, WebSockets are tried again. */
const UNBLOCKED_AFTER = 5;

/**
 * Receives the events of a room after the cursor `after`. Calls `on.event(event)`, `on.state('lost' | 'catching-up' | 'live', error)`
 * and, for each new connection, `on.open(connection)`. At the end, unless it is closed before, it calls `on.end(error)`, without an
 * error if the room has ended.
 */
export class Stream {
  #room;
  #on;
  #connection;
  #isOpen = false;
  #cursor;
  #recentCursors = new Set();
  #failures = 0;
  #liveSince = Infinity;
  #error = null;
  /** The cursor at which this page has caught up. */
  #targetCursor = null;
  /** Failed WebSocket handshakes since the last successful one. */
  #failedHandshakes = 0;
  #blockedAfter = BLOCKED_AFTER;
  #blockedUntil = 0;
  #opened = new AbortController();
  #closed = new AbortController();

  constructor(room, after, on) {
    this.#room = room;
    this.#on = on;
    this.#setCursor(after);
    const { signal } = this.#closed;
    // These events only suggest that the connection is lost: the server may run on this machine.
    for (const hint of ['online', 'offline']) addEventListener(hint, () => this.#connection.check(), { signal });
    document.addEventListener('visibilitychange', () => document.hidden || this.#connection.check(), { signal });
    // A page that is restored from the back/forward cache has lost its connection.
    addEventListener('pageshow', ({ persisted }) => persisted && this.#connect(), { signal });
    this.#connect();
  }

  /** Stops receiving events. */
  close() {
    this.#closed.abort();
    this.#opened.abort();
    this.#connection.close();
  }

  /** Reconnects unless the event with this cursor arrives in time. The server has reported it in another response. */
  async expectCursor(cursor) {
    if (!this.#isOpen || this.#recentCursors.has(cursor)) return;
    const { signal } = this.#opened;
    await pause(EVENT_TIMEOUT, signal);
    if (!signal.aborted && !this.#recentCursors.has(cursor)) this.#connect();
  }

  #connect() {
    this.#connection?.close();
    this.#opened.abort();
    this.#isOpen = false;
    this.#error = null;
    const { id, code } = this.#room;
    const usesSocket = 'WebSocket' in globalThis && Date.now() >= this.#blockedUntil;
    const open = usesSocket ? openSocket : openEventSource;
    this.#connection = open(ROOM_EVENTS, { roomId: id, roomCode: code, after: this.#cursor }, {
      open: () => {
        this.#isOpen = true;
        if (usesSocket) this.#recordHandshake();
        this.#catchUp();
        this.#on.open(this.#connection);
      },
      result: (result) => this.#receive(result),
      complete: () => this.#complete(),
      lost: (reason) => {
        if (usesSocket && (!this.#isOpen || reason.isPermanent)) this.#recordFailedHandshake(reason);
        if (!usesSocket && this.#failures >= UNBLOCKED_AFTER) this.#blockedUntil = 0;
        this.#lose();
        this.#reconnect();
      },
    });
  }

  #recordHandshake() {
    this.#failedHandshakes = 0;
    this.#blockedAfter = BLOCKED_AFTER_SUCCESS;
  }

  #recordFailedHandshake({ isPermanent, isTimeout }) {
    // Timeouts count twice, so that users do not wait for many of them.
    this.#failedHandshakes += isPermanent ? this.#blockedAfter : isTimeout ? 2 : 1;
  }

  #receive({ data, errors }) {
    if (errors?.length) {
      this.#error = RequestError.from(errors[0]);
      return;
    }
    const event = data.roomEvents;
    this.#setCursor(event.cursor);
    this.#on.event(event);
    if (event.cursor === this.#targetCursor) this.#setLive();
  }

  #setCursor(cursor) {
    this.#cursor = cursor;
    this.#recentCursors.add(cursor);
    if (this.#recentCursors.size > MAX_CURSORS) this.#recentCursors.delete(this.#recentCursors.values().next().value);
  }

  /** Requests the current cursor of the room: when the event with this cursor has arrived, the page has caught up. */
  async #catchUp() {
    this.#opened.abort();
    this.#opened = new AbortController();
    const { signal } = this.#opened;
    this.#targetCursor = null;
    this.#on.state('catching-up');
    try {
      const { room } = await retry(() => request(ROOM_STATE, this.#room), signal);
      if (signal.aborted) return;
      if (this.#recentCursors.has(room.cursor)) this.#setLive();
      else this.#targetCursor = room.cursor;
    } catch {
      // The subscription gets the same error and handles it.
    }
  }

  #setLive() {
    this.#targetCursor = null;
    this.#liveSince = Date.now();
    this.#on.state('live');
  }

  #lose() {
    if (Date.now() - this.#liveSince > STABLE_AFTER) this.#failures = 0;
    this.#liveSince = Infinity;
    this.#isOpen = false;
    this.#opened.abort();
    this.#on.state('lost', this.#error);
  }

  /** Handles the end of the subscription. */
  #complete() {
    if (this.#error?.isTransient) {
      this.#lose();
      this.#reconnect(this.#error);
    } else {
      this.close();
      this.#on.end(this.#error);
    }
  }

  async #reconnect(error) {
    this.#failures += 1;
    const connection = this.#connection;
    const isObsolete = () => this.#connection !== connection || this.#closed.signal.aborted;
    await pause(delayAfter(this.#failures, error), this.#closed.signal);
    if (isObsolete()) return;
    const areSocketsBlocked = this.#failedHandshakes >= this.#blockedAfter && (await this.#isServerReachable());
    if (isObsolete()) return;
    if (areSocketsBlocked) {
      this.#failedHandshakes = 0;
      this.#blockedUntil = Date.now() + BLOCKED_FOR;
    }
    this.#connect();
  }

  /** Whether the server responds over HTTP, even with an error. */
  async #isServerReachable() {
    try {
      await request(ROOM_STATE, this.#room);
      return true;
    } catch ({ code }) {
      return code !== 'NETWORK';
    }
  }
}
