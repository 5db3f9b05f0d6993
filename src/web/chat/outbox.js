// Messages that are being sent: shown at once, sent one after the other, and repeated until a response arrives.
//
// A repeat has the same clientMessageId, so a message whose response was lost is stored only once.

import { delayAfter, pause } from './backoff.js';
import { request } from './graphql.js';
import { actAsUser, randomId, replaceUser } from './identity.js';
import { SEND } from './operations.js';
import { cut, limitOf } from './text.js';
import { waitOf } from './time.js';

/** After this many failures in a row, the user decides whether to try again. */
const MAX_FAILURES = 5;

/** Errors after which a message is sent once the wait that the server demands is over, however often. */
const WAITS = { RATE_LIMITED: 'Too many messages', SLOW_MODE: 'Slow mode' };

/** The messages that one tab sends to one room. Calls `on.changed()`, `on.sent(message)` and `on.error(error)`. */
export class Outbox {
  /** Messages that are not known to be in the room yet: `{ id, text, replyToId, at, state, note, failures }`. */
  entries = [];
  #room;
  #ownerToken;
  #on;
  #isWorking = false;
  #closed = new AbortController();
  #wake = new AbortController();

  constructor(room, ownerToken, on) {
    this.#room = room;
    this.#ownerToken = ownerToken;
    this.#on = on;
  }

  get isEmpty() {
    return this.entries.length === 0;
  }

  add(text, replyToId) {
    this.entries.push({ id: randomId(), text, replyToId, at: Date.now(), state: 'sending', note: '', failures: 0 });
    this.#on.changed();
    this.#work();
  }

  /** Tries a failed message again. */
  retry(entry) {
    this.#update(entry, 'sending', '');
    entry.failures = 0;
    this.#work();
  }

  discard(entry) {
    this.#remove(entry.id);
  }

  /** Removes a message that has arrived in the room. */
  confirm(id) {
    if (this.entries.some((entry) => entry.id === id)) this.#remove(id);
  }

  /** Retries at once: messages that wait, and messages that failed because of the network. */
  retryNow() {
    this.#wake.abort();
    this.#wake = new AbortController();
    this.entries.filter(({ state, failedByNetwork }) => state === 'failed' && failedByNetwork).forEach((entry) => this.retry(entry));
  }

  close() {
    this.#closed.abort();
    this.#wake.abort();
  }

  async #work() {
    if (this.#isWorking) return;
    this.#isWorking = true;
    let entry;
    while ((entry = this.entries.find(({ state }) => state !== 'failed')) && !this.#closed.signal.aborted) {
      await this.#send(entry);
    }
    this.#isWorking = false;
  }

  async #send(entry) {
    try {
      const { message } = await actAsUser(({ userId, token, name }) => this.#request(entry, userId, token, name));
      this.#remove(entry.id);
      this.#on.sent(message);
    } catch (error) {
      // A discarded message may have been sent already. Then it arrives like any other.
      if (!this.entries.includes(entry)) return;
      await this.#handleFailure(entry, error);
    }
  }

  async #request(entry, userId, token, name) {
    const { id: roomId, code: roomCode } = this.#room;
    const displayName = cut(name, limitOf('display-name'));
    const { text, replyToId, id: clientMessageId } = entry;
    const author = { userId, token, displayName, ownerToken: this.#ownerToken };
    return (await request(SEND, { input: { roomId, roomCode, ...author, text, replyToId, clientMessageId } })).payload;
  }

  async #handleFailure(entry, error) {
    entry.failures += 1;
    entry.failedByNetwork = error.code === 'NETWORK';
    if (error.code === 'TOKEN_INVALID' && entry.failures === 1) {
      replaceUser();
      this.#on.error(error);
    } else if (error.code in WAITS || (error.isTransient && entry.failures < MAX_FAILURES)) {
      const delay = delayAfter(entry.failures, error);
      const reason = WAITS[error.code];
      this.#update(entry, 'waiting', reason ? `${reason}, sending in ${waitOf(Math.ceil(delay / 1_000))}` : 'Waiting to send…');
      await pause(delay, this.#wake.signal);
    } else {
      this.#update(entry, 'failed', error.message);
      if (!error.isTransient) this.#on.error(error);
    }
  }

  #update(entry, state, note) {
    Object.assign(entry, { state, note });
    this.#on.changed();
  }

  #remove(id) {
    this.entries = this.entries.filter((entry) => entry.id !== id);
    this.#on.changed();
  }
}
