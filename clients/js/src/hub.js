// The subscriptions of all tabs of a browser. One tab has a hub, and each subscription serves all tabs that want the same.

import { LiveChatError } from './errors.js';
import { EVENTS, PRESENCE } from './operations.js';
import { applyPresence } from './presence.js';

/** @import { Server } from './server.js' */
/** @import { PresenceState } from './types.js' */

/** Number of recent events that a hub keeps for tabs that attach. */
const MAX_RECENT = 500;

/**
 * @typedef {'events' | 'presence'} Topic
 *
 * @typedef {object} FeedMessage
 * @property {any} [event] Of the room's log, or of its presence.
 * @property {'live' | 'lost'} [state] Of the connection.
 * @property {any} [error] Why the connection was lost, or the feed has ended.
 * @property {boolean} [isOver] The feed has ended; without an error, because its room has ended.
 *
 * @typedef {(message: FeedMessage) => void} Receive
 */

/** One subscription, and the clients that it serves. */
class Feed {
  /** Null until it is known. @type {FeedMessage | null} */
  #state = null;
  /** @type {Map<string, Receive>} */
  clients = new Map();
  closed = new AbortController();
  isOver = false;

  /**
   * @param {Server} server
   * @param {object} variables
   */
  constructor(server, variables) {
    this.server = server;
    this.variables = variables;
  }

  /**
   * @param {string} id
   * @param {string | undefined} after
   * @param {Receive} receive
   */
  add(id, after, receive) {
    this.clients.set(id, receive);
    if (this.#state) receive(this.#state);
    if (this.clients.size === 1) this.start(after);
  }

  /** @param {string} id */
  remove(id) {
    this.clients.delete(id);
    if (this.clients.size === 0) this.closed.abort();
  }

  /** @param {string | undefined} _after */
  start(_after) {}

  /** @param {FeedMessage} message */
  broadcast(message) {
    this.clients.forEach((receive) => receive(message));
  }

  /** @param {FeedMessage} message */
  setState(message) {
    this.#state = message;
    this.broadcast(message);
  }

  /**
   * Follows the main subscription of this feed until it ends.
   *
   * @param {string} query
   * @param {() => object} variables
   * @param {(data: any) => void} next
   */
  async follow(query, variables, next) {
    const on = {
      open: () => this.setState({ state: 'live' }),
      next,
      lost: (/** @type {LiveChatError} */ error) => this.setState({ state: 'lost', error: error.toPlain() }),
    };
    const end = await outcome(this.server.follow(query, variables, on, this.closed.signal));
    this.isOver = true;
    if (!this.closed.signal.aborted) this.broadcast(end);
  }
}

/**
 * The events of a room's log.
 *
 * Clients attach with the cursor up to which they know the log. If it is among the recent events, they get those after it, and
 * then all that follow. Otherwise a subscription of their own brings them there. So no client misses an event or gets it twice.
 */
class EventFeed extends Feed {
  /** @type {any[]} */
  #recent = [];
  /** Place of each recent cursor: the number of events up to it, since the start of this feed. */
  #places = new Map();
  #count = 0;
  /** Clients whose cursor is not among the recent ones. @type {Map<string, { cursor: string, caughtUp: AbortController }>} */
  #behind = new Map();

  /** @param {string} after */
  start(after) {
    this.#places.set(after, 0);
    let cursor = after;
    const next = (/** @type {any} */ { roomEvents: event }) => {
      cursor = event.cursor;
      this.#push(event);
      this.clients.forEach((receive, id) => this.#behind.has(id) ? this.#settle(id) : receive({ event }));
    };
    this.follow(EVENTS, () => ({ ...this.variables, after: cursor }), next);
  }

  /**
   * @param {string} id
   * @param {string} after
   * @param {Receive} receive
   */
  add(id, after, receive) {
    super.add(id, after, receive);
    this.#behind.set(id, { cursor: after, caughtUp: new AbortController() });
    if (!this.#settle(id)) this.#catchUp(id);
  }

  /** @param {string} id */
  remove(id) {
    this.#behind.get(id)?.caughtUp.abort();
    this.#behind.delete(id);
    super.remove(id);
  }

  /** @param {any} event */
  #push(event) {
    this.#recent.push(event);
    this.#places.set(event.cursor, (this.#count += 1));
    if (this.#recent.length > MAX_RECENT) this.#recent.shift();
    if (this.#places.size > MAX_RECENT) this.#places.delete(this.#places.keys().next().value);
  }

  /**
   * Sends a client the events after its cursor, if that is a recent one. Returns whether it is.
   *
   * @param {string} id
   */
  #settle(id) {
    const { cursor, caughtUp } = /** @type {any} */ (this.#behind.get(id));
    const place = this.#places.get(cursor);
    if (place === undefined) return false;
    this.#behind.delete(id);
    caughtUp.abort();
    const missing = this.#count - place;
    if (missing) this.#recent.slice(-missing).forEach((event) => this.clients.get(id)?.({ event }));
    return true;
  }

  /** @param {string} id */
  async #catchUp(id) {
    const client = /** @type {any} */ (this.#behind.get(id));
    const { signal } = client.caughtUp;
    const next = (/** @type {any} */ { roomEvents: event }) => {
      client.cursor = event.cursor;
      this.clients.get(id)?.({ event });
      this.#settle(id);
    };
    const on = { open() {}, lost() {}, next };
    const end = await outcome(this.server.follow(EVENTS, () => ({ ...this.variables, after: client.cursor }), on, signal));
    if (!signal.aborted) this.clients.get(id)?.(end);
  }
}

/** Who is in a room. A client that attaches gets the current state as a snapshot. */
class PresenceFeed extends Feed {
  /** @type {PresenceState | null} */
  #presence = null;

  start() {
    this.follow(
      PRESENCE,
      () => this.variables,
      ({ presence: event }) => {
        this.#presence = applyPresence(this.#presence, event);
        this.broadcast({ event });
      },
    );
  }

  /**
   * @param {string} id
   * @param {undefined} after
   * @param {Receive} receive
   */
  add(id, after, receive) {
    super.add(id, after, receive);
    if (this.#presence) receive({ event: { __typename: 'PresenceSnapshot', ...this.#presence } });
  }
}

/**
 * How a subscription has ended.
 *
 * @param {Promise<void>} subscription
 * @returns {Promise<FeedMessage>}
 */
async function outcome(subscription) {
  try {
    await subscription;
    return { isOver: true };
  } catch (error) {
    return { isOver: true, error: /** @type {LiveChatError} */ (error).toPlain() };
  }
}

export class Hub {
  #server;
  /** @type {Map<string, Feed>} */
  #feeds = new Map();
  /** Feeds by client. @type {Map<string, Feed>} */
  #clients = new Map();

  /** @param {Server} server */
  constructor(server) {
    this.#server = server;
  }

  /**
   * Calls `receive` until `detach(id)` is called or `isOver` is received.
   *
   * @param {string} id
   * @param {Topic} topic
   * @param {object} variables
   * @param {any} after The cursor of the last event that the client knows.
   * @param {Receive} receive
   */
  attach(id, topic, variables, after, receive) {
    const key = topic + JSON.stringify(variables);
    let feed = this.#feeds.get(key);
    if (!feed || feed.isOver || feed.closed.signal.aborted) {
      feed = new (topic === 'events' ? EventFeed : PresenceFeed)(this.#server, variables);
      this.#feeds.set(key, feed);
    }
    this.#clients.set(id, feed);
    feed.add(id, after, receive);
  }

  /** @param {string} id */
  has(id) {
    return this.#clients.has(id);
  }

  /** @param {string} id */
  detach(id) {
    this.#clients.get(id)?.remove(id);
    this.#clients.delete(id);
    for (const [key, feed] of this.#feeds) if (feed.closed.signal.aborted) this.#feeds.delete(key);
  }

  /**
   * Detaches all clients whose id begins with this prefix.
   *
   * @param {string} prefix
   */
  detachAll(prefix = '') {
    for (const id of this.#clients.keys()) if (id.startsWith(prefix)) this.detach(id);
  }
}
