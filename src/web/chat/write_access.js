// Whether the user may write now: bans, the lock and slow mode.

import { serverNow } from './client.js';

/** Interval at which a countdown or the end of a ban is checked, in milliseconds. */
const TICK = 500;

/** Calls `onChange(state)` when the state changes: `{ kind: 'open' | 'slow' | 'locked' | 'banned' | 'identity' | 'ended', … }`. */
export class WriteAccess {
  #settings;
  #isOwner;
  #onChange;
  #ban = null;
  #needsIdentity = false;
  #isEnded = false;
  #lastSent = 0;
  #shown = '';
  #timer = null;

  constructor(settings, isOwner, onChange) {
    this.#settings = settings;
    this.#isOwner = isOwner;
    this.#onChange = onChange;
  }

  /** The state now. `seconds` is the rest of the wait in slow mode; `until` and `reason` belong to a ban. */
  get state() {
    if (this.#isEnded) return { kind: 'ended' };
    if (this.#isOwner) return { kind: 'open' };
    if (this.#needsIdentity) return { kind: 'identity' };
    if (this.#ban) return { kind: 'banned', until: this.#ban.until, reason: this.#ban.reason };
    if (this.#settings.locked) return { kind: 'locked' };
    const left = this.#lastSent + this.#settings.slowModeSeconds * 1_000 - serverNow();
    return left > 0 ? { kind: 'slow', seconds: Math.ceil(left / 1_000) } : { kind: 'open' };
  }

  /** Whether the user may edit, react and reply: slow mode does not forbid that. */
  get canAct() {
    return ['open', 'slow'].includes(this.state.kind);
  }

  get isBanned() {
    return this.state.kind === 'banned';
  }

  setSettings(settings) {
    this.#settings = settings;
    this.update();
  }

  /** Sets the ban, `{ until, reason }`, or lifts it with null. */
  setBan(ban) {
    this.#ban = ban;
    this.update();
  }

  /** The server lets only those write whom its site vouches for. */
  requireIdentity() {
    this.#needsIdentity = true;
    this.update();
  }

  /** The room has ended, or cannot be reached. */
  end() {
    this.#isEnded = true;
    this.update();
  }

  /** Notes when the user has sent a message, in milliseconds. */
  noteSent(at) {
    this.#lastSent = Math.max(this.#lastSent, at);
    this.update();
  }

  /** Forgets when the user has sent a message: the server has refused it. */
  forgetSent() {
    this.#lastSent = 0;
  }

  /** Reports a change, and looks again later if time alone changes the state. */
  update() {
    if (this.#ban?.until && Date.parse(this.#ban.until) <= serverNow()) this.#ban = null;
    const { state } = this;
    clearTimeout(this.#timer);
    if (state.kind === 'slow' || state.until) this.#timer = setTimeout(() => this.update(), TICK);
    if (JSON.stringify(state) === this.#shown) return;
    this.#shown = JSON.stringify(state);
    this.#onChange(state);
  }

  close() {
    clearTimeout(this.#timer);
  }
}
