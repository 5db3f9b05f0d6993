// The messages that a client sends to a room: shown at once, sent one after the other, and repeated until the server has responded.
//
// A repeat has the same clientMessageId, so a message whose response was lost is stored only once.

import { left, LiveChatError } from './errors.js';
import { randomId } from './storage.js';

/** @import { Backoff } from './retry.js' */
/** @import { Message, PendingMessage, SendOptions } from './types.js' */

/**
 * @typedef {object} Entry
 * @property {string} id The clientMessageId.
 * @property {string} text
 * @property {string | null} replyToId
 * @property {string} createdAt
 * @property {PendingMessage['status']} status
 * @property {LiveChatError | null} error
 * @property {number} failures
 * @property {(message: Message) => void} resolve
 * @property {(error: LiveChatError) => void} reject
 */

export class Outbox {
  /** Messages that are not known to be in the room yet. @type {readonly Readonly<Entry>[]} */
  entries = [];
  #send;
  #onChange;
  #backoff;
  #signal;
  #isWorking = false;

  /**
   * @param {(entry: Readonly<Entry>) => Promise<Message>} send
   * @param {() => void} onChange
   * @param {Backoff} backoff
   * @param {AbortSignal} signal
   */
  constructor(send, onChange, backoff, signal) {
    this.#send = send;
    this.#onChange = onChange;
    this.#backoff = backoff;
    this.#signal = signal;
  }

  /**
   * @param {string} text
   * @param {SendOptions} options
   * @returns {Promise<Message>}
   */
  add(text, { replyToId = null, clientMessageId = randomId() }) {
    const sent = new Promise((resolve, reject) => {
      const createdAt = new Date().toISOString();
      /** @type {Entry} */
      const entry = { id: clientMessageId, text, replyToId, createdAt, status: 'sending', error: null, failures: 0, resolve, reject };
      this.entries = [...this.entries, entry];
    });
    // The state shows failures, so callers need not handle the promise.
    sent.catch(() => {});
    this.#onChange();
    this.#work();
    return sent;
  }

  /** @param {string} id */
  retry(id) {
    this.#update(id, { status: 'sending', error: null, failures: 0 });
    this.#work();
  }

  /** @param {string} id */
  discard(id) {
    this.#remove(id)?.reject(left());
  }

  /**
   * Removes a message that has arrived in the room.
   *
   * @param {string | null} id
   * @param {Message} message
   */
  confirm(id, message) {
    if (id) this.#remove(id)?.resolve(message);
  }

  /**
   * Gives up all messages.
   *
   * @param {LiveChatError} error
   */
  close(error) {
    for (const { id, status } of this.entries) if (status !== 'failed') this.#fail(id, error);
  }

  async #work() {
    if (this.#isWorking) return;
    this.#isWorking = true;
    let entry;
    while ((entry = this.entries.find(({ status }) => status !== 'failed')) && !this.#signal.aborted) await this.#try(entry);
    this.#isWorking = false;
  }

  /** @param {Readonly<Entry>} entry */
  async #try({ id, ...entry }) {
    try {
      this.confirm(id, await this.#send({ id, ...entry }));
    } catch (caught) {
      const error = caught instanceof LiveChatError ? caught : new LiveChatError('INTERNAL', String(caught));
      // A discarded message may have been sent already. Then it arrives like any other.
      if (!this.#update(id, {})) return;
      if (!error.isTransient) return this.#fail(id, error);
      const failures = entry.failures + 1;
      this.#update(id, { status: 'waiting', error, failures });
      await this.#backoff.pause(failures, error, this.#signal);
    }
  }

  /**
   * @param {string} id
   * @param {LiveChatError} error
   */
  #fail(id, error) {
    this.#update(id, { status: 'failed', error })?.reject(error);
  }

  /**
   * @param {string} id
   * @param {Partial<Entry>} values
   */
  #update(id, values) {
    const entry = this.entries.find((one) => one.id === id);
    if (!entry) return;
    this.entries = this.entries.map((one) => (one === entry ? { ...one, ...values } : one));
    this.#onChange();
    return entry;
  }

  /** @param {string} id */
  #remove(id) {
    const entry = this.entries.find((one) => one.id === id);
    this.entries = this.entries.filter((one) => one !== entry);
    this.#onChange();
    return entry;
  }
}
