// Who is in a room and who is typing, and that the user is.

import { JOIN, TYPE } from './operations.js';
import { applyPresence } from './presence.js';

/** @import { LiveChatError } from './errors.js' */
/** @import { FeedMessage } from './hub.js' */
/** @import { RoomRequests } from './requests.js' */
/** @import { Server } from './server.js' */
/** @import { Store } from './storage.js' */
/** @import { Tabs } from './tabs.js' */
/** @import { PresenceState, RoomKey } from './types.js' */
/** @import { User } from './user.js' */

/** Shortest time between two announcements that the user is typing, in milliseconds. The server shows one for five seconds. */
const TYPING_INTERVAL = 3_000;

export class Attendance {
  /** @type {PresenceState | null} */
  state = null;
  #server;
  #store;
  #tabs;
  #key;
  #user;
  #requests;
  #onChange;
  /** @type {string | null} */
  #token = null;
  #lastTyping = -Infinity;

  /**
   * @param {Server} server
   * @param {Store} store
   * @param {Tabs} tabs
   * @param {RoomKey} key
   * @param {User} user
   * @param {RoomRequests} requests
   * @param {() => void} onChange
   */
  constructor(server, store, tabs, key, user, requests, onChange) {
    this.#server = server;
    this.#store = store;
    this.#tabs = tabs;
    this.#key = key;
    this.#user = user;
    this.#requests = requests;
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
        const variables = { ...this.#key, presenceToken: this.#token };
        return await this.#tabs.follow('presence', variables, () => undefined, receive, signal);
      } catch (error) {
        if (/** @type {LiveChatError} */ (error).code !== 'PRESENCE_TOKEN_INVALID') return;
        this.#store.saveRoom(this.#key.roomId, { presence: undefined });
      }
    }
  }

  /** Tells the others that the user is typing. */
  announceTyping() {
    const now = Date.now();
    if (!this.#token || now - this.#lastTyping < TYPING_INTERVAL) return;
    this.#lastTyping = now;
    // Not worth a retry.
    this.#server.request(TYPE, { input: { ...this.#key, presenceToken: this.#token } }).catch(() => {});
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
    const { roomId } = this.#key;
    const known = this.#store.room(roomId)?.presence;
    if (known && known.userId === this.#user.id) return known.token;
    try {
      const { presenceToken } = await this.#requests.act(JOIN, {}, true);
      this.#store.saveRoom(roomId, { expiresAt, presence: { userId: this.#user.id, token: presenceToken } });
      return presenceToken;
    } catch {
      // Banned, or the room is full: a reader whom others do not see.
      return null;
    }
  }
}
