// Who is in a room and who is typing, and that the user is.

import { JOIN, TYPE } from './operations.js';
import { applyPresence } from './presence.js';

/** @import { LiveChatError } from './errors.js' */
/** @import { FeedMessage } from './hub.js' */
/** @import { RoomRequests } from './requests.js' */
/** @import { Store } from './storage.js' */
/** @import { Tabs } from './tabs.js' */
/** @import { PresenceState } from './types.js' */

/** Shortest time between two announcements that the user is typing, in milliseconds. The server shows one for five seconds. */
const TYPING_INTERVAL = 3_000;

export class Attendance {
  /** @type {PresenceState | null} */
  state = null;
  #store;
  #tabs;
  #requests;
  #onChange;
  /** @type {string | null} */
  #token = null;
  #lastTyping = -Infinity;

  /**
   * @param {RoomRequests} requests
   * @param {Store} store
   * @param {Tabs} tabs
   * @param {() => void} onChange
   */
  constructor(requests, store, tabs, onChange) {
    this.#requests = requests;
    this.#store = store;
    this.#tabs = tabs;
    this.#onChange = onChange;
  }

  /**
   * Follows the presence of the room until it ends, is refused, or the room is left.
   *
   * @param {boolean} isVisible Whether others see the user.
   * @param {string} expiresAt When the room ends.
   * @param {AbortSignal} signal
   */
  async follow(isVisible, expiresAt, signal) {
    const receive = (/** @type {FeedMessage} */ { event }) => {
      if (!event) return;
      this.state = applyPresence(this.state, event);
      this.#onChange();
    };
    for (;;) {
      try {
        this.#token = isVisible ? await this.#register(expiresAt) : null;
        const variables = { ...this.#requests.key, presenceToken: this.#token };
        return await this.#tabs.follow('presence', variables, () => undefined, receive, signal);
      } catch (error) {
        if (/** @type {LiveChatError} */ (error).code !== 'PRESENCE_TOKEN_INVALID') return;
        this.#store.saveRoom(this.#requests.key.roomId, { presence: undefined });
      }
    }
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

  /**
   * Registers the user in the room. Returns the token for its presence; null if others cannot see it.
   *
   * @param {string} expiresAt
   */
  async #register(expiresAt) {
    const { key, user } = this.#requests;
    const { roomId } = key;
    const known = this.#store.room(roomId)?.presence;
    if (known && known.userId === user.id) return known.token;
    try {
      const { presenceToken } = await this.#requests.act(JOIN, {}, true);
      this.#store.saveRoom(roomId, { expiresAt, presence: { userId: user.id, token: presenceToken } });
      return presenceToken;
    } catch {
      // Banned, or the room is full: a reader whom others do not see.
      return null;
    }
  }
}
