// Subscriptions over one WebSocket, with the graphql-transport-ws protocol.

import { every } from './clock.js';
import { left, LiveChatError, networkError } from './errors.js';

/**
 * @typedef {object} SubscriptionCallbacks
 * @property {() => void} open The request has been sent.
 * @property {(data: any) => void} next
 *
 * @typedef {object} LossReason
 * @property {boolean} [isPermanent] The next socket would be closed for the same reason.
 * @property {boolean} [isTimeout] The server has not responded.
 * @property {boolean} [isIntended] The socket was closed by this client.
 *
 * @typedef {object} Timing
 * @property {number} open Time limit of a handshake, in milliseconds.
 * @property {number} ping Silence after which a ping is sent, in milliseconds.
 * @property {number} pong Time limit of the response to a ping, in milliseconds.
 *
 * @typedef {{ start: () => void, next: (result: any) => void, end: (error?: Error) => void }} Operation
 */

export class Socket {
  #socket;
  #timing;
  #onOpen;
  #onLost;
  /** @type {Map<string, Operation>} */
  #operations = new Map();
  #lastId = 0;
  #isOpen = false;
  #isClosed = false;
  #lastReceived = performance.now();
  /** When the socket counts as dead unless a message arrives before; 0 if none is awaited. */
  #deadline;
  #hadSecondChance = false;
  /** @type {(() => void)[]} */
  #checks = [];
  #stopTimer;

  /**
   * @param {typeof WebSocket} WebSocket
   * @param {URL} url
   * @param {Timing} timing
   * @param {() => void} onOpen
   * @param {(wasOpen: boolean, reason: LossReason) => void} onLost
   */
  constructor(WebSocket, url, timing, onOpen, onLost) {
    this.#timing = timing;
    this.#onOpen = onOpen;
    this.#onLost = onLost;
    this.#deadline = performance.now() + timing.open;
    this.#stopTimer = every(Math.min(timing.ping, timing.pong, timing.open) / 4, (isLate) => this.#tick(isLate));
    try {
      this.#socket = new WebSocket(url, 'graphql-transport-ws');
    } catch {
      // The policy of the page forbids it.
      setTimeout(() => this.#lose({ isPermanent: true }));
      return;
    }
    this.#socket.onopen = () => this.#send({ type: 'connection_init' });
    this.#socket.onmessage = ({ data }) => this.#receive(data);
    this.#socket.onclose = ({ code }) => this.#lose({ isPermanent: isPermanent(code) });
    // A close event follows. Without a listener, some implementations throw.
    this.#socket.onerror = () => {};
  }

  /**
   * Resolves when the subscription has completed; rejects when it was refused or lost, or `signal` is aborted.
   *
   * @param {string} query
   * @param {object} variables
   * @param {SubscriptionCallbacks} on
   * @param {AbortSignal} signal
   * @returns {Promise<void>}
   */
  subscribe(query, variables, on, signal) {
    return new Promise((resolve, reject) => {
      const id = String((this.#lastId += 1));
      /** @type {Error | undefined} */
      let refusal;
      /** @param {Error} [error] */
      const end = (error) => {
        this.#operations.delete(id);
        signal.removeEventListener('abort', abort);
        if (error) reject(error);
        else resolve();
        // Later, because another subscription often follows.
        setTimeout(() => this.#operations.size === 0 && this.close(), 1000);
      };
      const abort = () => {
        if (this.#isOpen && this.#operations.has(id)) this.#send({ id, type: 'complete' });
        end(left());
      };
      const operation = {
        start: () => {
          this.#send({ id, type: 'subscribe', payload: { query, variables } });
          on.open();
        },
        /** @param {any} result */
        next: ({ data, errors }) => {
          if (errors?.length) refusal = LiveChatError.from(errors[0]);
          else on.next(data);
        },
        /** @param {Error} [error] */
        end: (error) => end(error ?? refusal),
      };
      this.#operations.set(id, operation);
      signal.addEventListener('abort', abort);
      if (this.#isOpen) operation.start();
    });
  }

  /**
   * Sends a ping. Resolves when the server has responded, or the connection counts as lost.
   *
   * @returns {Promise<void>}
   */
  check() {
    return new Promise((resolve) => {
      if (!this.#isOpen) return resolve();
      this.#checks.push(resolve);
      if (this.#deadline) return;
      this.#send({ type: 'ping' });
      this.#deadline = performance.now() + this.#timing.pong;
    });
  }

  close() {
    this.#lose({ isIntended: true });
  }

  /** @param {boolean} isLate */
  #tick(isLate) {
    const now = performance.now();
    if (this.#deadline && now > this.#deadline) {
      // After a sleep, or in a throttled tab, messages that have arrived may be queued behind this call.
      if (!isLate || this.#hadSecondChance) return this.#lose({ isTimeout: true });
      this.#hadSecondChance = true;
      this.#deadline = now + this.#timing.pong;
    } else if (isLate || now - this.#lastReceived > this.#timing.ping) {
      this.check();
    }
  }

  /** @param {string} data */
  #receive(data) {
    if (this.#isClosed) return;
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      return this.#lose({ isPermanent: true });
    }
    this.#lastReceived = performance.now();
    this.#hadSecondChance = false;
    if (this.#isOpen) this.#confirm();
    const { type, id, payload } = message;
    const operation = this.#operations.get(id);
    if (type === 'connection_ack') {
      this.#isOpen = true;
      this.#confirm();
      this.#onOpen();
      this.#operations.forEach((waiting) => waiting.start());
    } else if (type === 'ping') {
      this.#send({ type: 'pong', payload });
    } else if (type === 'next') {
      operation?.next(payload);
    } else if (type === 'error') {
      operation?.end(LiveChatError.from(payload[0]));
    } else if (type === 'complete') {
      operation?.end();
    }
  }

  #confirm() {
    this.#deadline = 0;
    this.#checks.splice(0).forEach((resolve) => resolve());
  }

  /** @param {LossReason} reason */
  #lose(reason) {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const wasOpen = this.#isOpen;
    this.#isOpen = false;
    this.#stopTimer();
    this.#socket?.close();
    this.#onLost(wasOpen, reason);
    this.#confirm();
    this.#operations.forEach((operation) => operation.end(networkError()));
  }

  /** @param {object} message */
  #send(message) {
    if (!this.#isClosed) this.#socket?.send(JSON.stringify(message));
  }
}

/**
 * Whether the next socket would be closed with this code, too. 4408 only means that the client was too slow.
 *
 * @param {number} code
 */
const isPermanent = (code) => [1002, 1003, 1007, 1008, 1009, 1010].includes(code) || (code >= 4400 && code < 4499 && code !== 4408);
