// The connection to a server: requests over HTTP, subscriptions over one WebSocket, or over server-sent events where WebSockets
// are blocked.

import { left, LiveChatError, networkError } from './errors.js';
import { subscribeToEventStream } from './event_stream.js';
import { Backoff, pause, wakePauses } from './retry.js';
import { Socket } from './socket.js';

/** @import { LossReason, SubscriptionCallbacks, Timing } from './socket.js' */

/**
 * @typedef {object} TimingOptions Time limits, in milliseconds.
 * @property {number} request Of a request; default 10,000.
 * @property {number} silence Of an event stream without data; default 65,000. The server sends something every 25 seconds.
 * @property {number} minRetry Delay after the first failure; default 500.
 * @property {number} maxRetry Longest delay; default 15,000.
 * @property {number} check Interval at which a tab checks the connection of another tab, which has half of it to respond; default
 *   20,000.
 */

/** @type {Timing & TimingOptions} */
const TIMING = { open: 8_000, ping: 25_000, pong: 8_000, request: 10_000, silence: 65_000, minRetry: 500, maxRetry: 15_000, check: 20_000 };

/** A connection that was open for this long resets the number of failures, in milliseconds. */
const STABLE_AFTER = 10_000;

/** How long WebSockets are not tried again once they count as blocked, in milliseconds. */
const BLOCKED_FOR = 10 * 60_000;

/** Failed handshakes in a row, while the server responds over HTTP, after which WebSockets count as blocked. */
const BLOCKED_AFTER = 2;

/** The same if a WebSocket has worked before: then a restart of the server is more likely. */
const BLOCKED_AFTER_SUCCESS = 5;

export class Server {
  #fetch;
  #WebSocket;
  #url;
  /** @type {Socket | null} */
  #socket = null;
  #openedAt = Infinity;
  #failures = 0;
  #retryAt = 0;
  /** @type {Promise<void> | undefined} */
  #probe;
  #failedHandshakes = 0;
  #blockedAfter = BLOCKED_AFTER;
  #blockedUntil = 0;

  /**
   * @param {URL} url The GraphQL endpoint.
   * @param {typeof fetch} fetch
   * @param {typeof WebSocket | null | undefined} WebSocket
   * @param {Partial<Timing & TimingOptions>} [timing]
   */
  constructor(url, fetch, WebSocket, timing) {
    this.#url = url;
    this.#fetch = fetch;
    this.#WebSocket = WebSocket;
    this.timing = { ...TIMING, ...timing };
    this.backoff = new Backoff(this.timing.minRetry, this.timing.maxRetry);
  }

  /**
   * Executes a query or mutation and returns its data.
   *
   * @param {string} query
   * @param {object} [variables]
   * @returns {Promise<any>}
   */
  async request(query, variables) {
    let result;
    try {
      const response = await this.#post('application/graphql-response+json', query, variables, AbortSignal.timeout(this.timing.request));
      result = await response.json();
    } catch {
      throw networkError();
    }
    if (result.errors?.length) throw LiveChatError.from(result.errors[0]);
    if (!result.data) throw networkError();
    return result.data;
  }

  /**
   * Resolves when the subscription has completed, and rejects if it is refused or `signal` is aborted. Subscribes again after
   * transient errors.
   *
   * @param {string} query
   * @param {() => object} variables Those of the next try.
   * @param {SubscriptionCallbacks & { lost: (error: LiveChatError) => void }} on
   * @param {AbortSignal} signal
   */
  async follow(query, variables, on, signal) {
    let refusals = 0;
    for (;;) {
      try {
        return await this.#subscribe(query, variables(), on, signal);
      } catch (error) {
        // The next server may not fail.
        const isTransient = error instanceof LiveChatError && (error.isTransient || error.code === 'INTERNAL');
        if (!isTransient || signal.aborted) throw error;
        on.lost(error);
        // All subscriptions of a lost connection wait for the same time.
        if (error.code === 'NETWORK') await pause(this.#retryAt - Date.now(), signal, true);
        else await this.backoff.pause((refusals += 1), error, signal);
      }
    }
  }

  /** Resolves when the server has responded to a ping, or is known to be unreachable. */
  async check() {
    await this.#socket?.check();
  }

  close() {
    this.#socket?.close();
  }

  /**
   * @param {string} query
   * @param {object} variables
   * @param {SubscriptionCallbacks} on
   * @param {AbortSignal} signal
   */
  async #subscribe(query, variables, on, signal) {
    await this.#probe;
    if (signal.aborted) throw left();
    if (this.#WebSocket && Date.now() >= this.#blockedUntil) {
      this.#socket ??= this.#openSocket(this.#WebSocket);
      return this.#socket.subscribe(query, variables, on, signal);
    }
    let openedAt = Infinity;
    const open = () => {
      openedAt = Date.now();
      on.open();
    };
    try {
      const request = (/** @type {AbortSignal} */ stop) => this.#post('text/event-stream', query, variables, stop);
      await subscribeToEventStream(request, this.timing.silence, { open, next: on.next }, signal);
    } catch (error) {
      if (/** @type {LiveChatError} */ (error).code === 'NETWORK') this.#recordLoss(openedAt);
      // The network may have changed.
      if (this.#failures >= BLOCKED_AFTER_SUCCESS) this.#blockedUntil = 0;
      throw error;
    }
  }

  /**
   * @param {string} accept
   * @param {string} query
   * @param {object | undefined} variables
   * @param {AbortSignal} signal
   */
  #post(accept, query, variables, signal) {
    const headers = { 'content-type': 'application/json', accept };
    const body = JSON.stringify({ query, variables });
    return this.#fetch(this.#url, { method: 'POST', headers, body, signal, referrerPolicy: 'no-referrer' });
  }

  /** @param {typeof WebSocket} WebSocket */
  #openSocket(WebSocket) {
    const url = new URL(this.#url);
    url.protocol = url.protocol.replace('http', 'ws');
    /** @type {Socket} */
    const socket = new Socket(
      WebSocket,
      url,
      this.timing,
      () => {
        this.#openedAt = Date.now();
        this.#failedHandshakes = 0;
        this.#blockedAfter = BLOCKED_AFTER_SUCCESS;
        wakePauses();
      },
      (wasOpen, reason) => {
        this.#socket = null;
        if (reason.isIntended) return;
        this.#recordLoss(this.#openedAt);
        this.#openedAt = Infinity;
        if (!wasOpen || reason.isPermanent) this.#recordFailedHandshake(reason);
      },
    );
    return socket;
  }

  /** @param {number} openedAt */
  #recordLoss(openedAt) {
    if (Date.now() - openedAt > STABLE_AFTER) this.#failures = 0;
    this.#failures += 1;
    this.#retryAt = Date.now() + this.backoff.delayAfter(this.#failures);
  }

  /** @param {LossReason} reason */
  #recordFailedHandshake({ isPermanent, isTimeout }) {
    // Timeouts count twice, so that users do not wait for many of them.
    this.#failedHandshakes += isPermanent ? this.#blockedAfter : isTimeout ? 2 : 1;
    if (this.#failedHandshakes >= this.#blockedAfter) this.#probe = this.#detectBlocking();
  }

  /** Does without WebSockets for a while if the server responds over HTTP, even with an error. */
  async #detectBlocking() {
    try {
      await this.request('{__typename}');
    } catch (error) {
      if (/** @type {LiveChatError} */ (error).code === 'NETWORK') return;
    }
    this.#failedHandshakes = 0;
    this.#blockedUntil = Date.now() + BLOCKED_FOR;
  }
}
