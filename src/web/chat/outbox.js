// Messages on their way: shown at once, sent one after the other, repeated until their answer is there.
//
// A repeat carries the same clientMessageId, so a message whose answer was lost is there once.

import { ask } from './graphql.js';
import { act, randomId, startOver } from './identity.js';
import { SEND } from './operations.js';
import { pause, waitAfter } from './patience.js';
import { cut, limitOf } from './text.js';

/** After so many failures in a row the sender is asked what to do. */
const PATIENCE = 5;

/** The messages that one tab sends to one room. Tells `on.changed()`, `on.sent(message)` and `on.refused(refusal)`. */
export class Outbox {
  /** What is not known to be in the room yet: `{ id, text, at, state, note }`. */
  entries = [];
  #room;
  #on;
  #working = false;
  #closed = new AbortController();
  #wake = new AbortController();

  constructor(room, on) {
    this.#room = room;
    this.#on = on;
  }

  get isEmpty() {
    return this.entries.length === 0;
  }

  add(text) {
    this.entries.push({ id: randomId(), text, at: Date.now(), state: 'sending', note: '', failures: 0 });
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

  /** A message with this id is in the room. */
  arrived(id) {
    if (this.entries.some((entry) => entry.id === id)) this.#remove(id);
  }

  /** The network is back: whatever failed for want of it is tried at once. */
  wake() {
    this.#wake.abort();
    this.#wake = new AbortController();
    this.entries.filter(({ state, isLost }) => state === 'failed' && isLost).forEach((entry) => this.retry(entry));
  }

  close() {
    this.#closed.abort();
    this.#wake.abort();
  }

  async #work() {
    if (this.#working) return;
    this.#working = true;
    let entry;
    while ((entry = this.entries.find(({ state }) => state !== 'failed')) && !this.#closed.signal.aborted) {
      await this.#send(entry);
    }
    this.#working = false;
  }

  async #send(entry) {
    try {
      const { message } = await act(({ userId, token, name }) => this.#ask(entry, userId, token, name));
      this.#remove(entry.id);
      this.#on.sent(message);
    } catch (refusal) {
      // A discarded message may have gone out before; then it arrives like any other.
      if (!this.entries.includes(entry)) return;
      await this.#failed(entry, refusal);
    }
  }

  async #ask(entry, userId, token, name) {
    const { id: roomId, code: roomCode } = this.#room;
    const displayName = cut(name, limitOf('display-name'));
    const { text, id: clientMessageId } = entry;
    return (await ask(SEND, { input: { roomId, roomCode, userId, token, displayName, text, clientMessageId } })).done;
  }

  async #failed(entry, refusal) {
    entry.failures += 1;
    entry.isLost = refusal.code === 'NETWORK';
    if (refusal.code === 'TOKEN_INVALID' && entry.failures === 1) {
      startOver();
      this.#on.refused(refusal);
    } else if (refusal.code === 'RATE_LIMITED' || (refusal.passes && entry.failures < PATIENCE)) {
      const wait = waitAfter(entry.failures, refusal);
      const inSeconds = `in ${Math.ceil(wait / 1_000)} s`;
      this.#update(entry, 'waiting', refusal.code === 'RATE_LIMITED' ? `Too fast, sent ${inSeconds}` : 'Waiting to send…');
      await pause(wait, this.#wake.signal);
    } else {
      this.#update(entry, 'failed', refusal.message);
      if (!refusal.passes) this.#on.refused(refusal);
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
