// What the owner of a room can do.

import { BANS, BAN_USER, END_ROOM, UNBAN_USER, UPDATE } from './operations.js';

/** @import { LiveChatError } from './errors.js' */
/** @import { RoomRequests } from './requests.js' */
/** @import { Ban, Page, RoomSettings } from './types.js' */

/** The actions of a room's owner: the client that created it, or whose identity says so. */
export class Owner {
  #requests;

  /** @param {RoomRequests} requests */
  constructor(requests) {
    this.#requests = requests;
  }

  /**
   * Changes settings of the room.
   *
   * @param {Partial<RoomSettings>} settings
   * @returns {Promise<RoomSettings>}
   */
  async update(settings) {
    return (await this.#requests.actAsOwner(UPDATE, settings)).room.settings;
  }

  /**
   * Bans a user, for the life of the room or for some seconds.
   *
   * @param {string} userId
   * @param {{ seconds?: number | null, reason?: string | null, removeMessages?: boolean }} [options]
   * @returns {Promise<Ban>}
   */
  async ban(userId, options) {
    return (await this.#requests.actAsOwner(BAN_USER, { userId, ...options })).ban;
  }

  /** @param {string} userId */
  async unban(userId) {
    await this.#requests.actAsOwner(UNBAN_USER, { userId });
  }

  /**
   * A page of the bans.
   *
   * @param {{ first?: number, after?: string | null }} [page]
   * @returns {Promise<Page<Ban>>}
   */
  async bans(page) {
    return (await this.#requests.read(BANS, { ...page, ownerToken: await this.#requests.proveOwner() })).bans;
  }

  /** Ends the room at once, with everything in it. */
  async end() {
    try {
      await this.#requests.actAsOwner(END_ROOM);
    } catch (error) {
      // The response to an earlier try was lost.
      if (/** @type {LiveChatError} */ (error).code !== 'ROOM_NOT_FOUND') throw error;
    }
  }
}
