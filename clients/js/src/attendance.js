// Who is in a room and who is typing, and that the user is.

import { JOIN, TYPE } from './operations.js';
import { applyPresence } from './presence.js';

/** @import { LiveChatError } from './errors.js' */
/** @import { FeedMessage } from './hub.js' */
/** @import { RoomRequests } from './requests.js' */
/** @import { Tabs } from './tabs.js' */
/** @import { PresenceState } from './types.js' */

/** Shortest time between two announcements that the user is typing, in milliseconds. The server shows one for five seconds. */
const TYPING_INTERVAL = 3_000;

export class Attendance {
  /** @type {PresenceState | null} */
  state = null;
  #tabs;
  #requests;
  #onChange;
  /** Proves the user whom others see; null if they see nobody. @type {string | null} */
  #token = null;
  /** Ends the subscription when the token changes. */
  #changed = new AbortController();
  #lastTyping = -Infinity;

  /**
   * @param {RoomRequests} requests
   * @param {Tabs} tabs
   * @param {() => void} onChange
   */
  constructor(requests, tabs, onChange) {
    this.#requests = requests;
    this.#tabs = tabs;
    this.#onChange = onChange;
  }

  /**
   * Follows the presence of the room until it ends, is refused, or the room is left.
   *
   * @param {boolean} isVisible Whether others see the user.
   * @param {AbortSignal} signal
   */
  async follow(isVisible, signal) {
    signal.addEventListener('abort', () => this.#changed.abort());
    const receive = (/** @type {FeedMessage} */ { event }) => {
      if (!event) return;
      this.state = applyPresence(this.state, event);
      this.#onChange();
    };
    // Others do not see who is banned, or finds the room full.
    if (isVisible) await this.appear().catch(() => {});
    while (!signal.aborted) {
      this.#changed = new AbortController();
      try {
        const variables = { ...this.#requests.key, presenceToken: this.#token };
        return await this.#tabs.follow('presence', variables, () => undefined, receive, this.#changed.signal);
      } catch (error) {
        if (this.#changed.signal.aborted) continue;
        if (!this.#token) return;
        this.#token = null;
        if (/** @type {LiveChatError} */ (error).code === 'PRESENCE_TOKEN_INVALID') await this.appear().catch(() => {});
      }
    }
  }

  /** Registers the user in the room, and shows it to the others. */
  async appear() {
    const { presenceToken } = await this.#requests.act(JOIN);
    this.#onChange();
    if (presenceToken === this.#token) return;
    this.#token = presenceToken;
    this.#changed.abort();
  }

  /** Tells the others that the user is typing. */
  announceTyping() {
    const now = Date.now();
    if (!this.#token || now - this.#lastTyping < TYPING_INTERVAL) return;
    this.#lastTyping = now;
    // Not worth a retry.
    this.#requests.server.request(TYPE, { input: { ...this.#requests.key, presenceToken: this.#token } }).catch(() => {});
  }

  /** Forgets who is typing, because their announcements may be missed. */
  clearTyping() {
    this.state &&= { ...this.state, typing: [] };
  }
}
