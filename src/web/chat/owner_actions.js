// What the owner of a room can do. Each request proves the owner with the token that createRoom gave.

import { request } from './graphql.js';
import { BAN, BANS, END_ROOM, REMOVE_MESSAGE, UNBAN, UPDATE_ROOM } from './operations.js';

export class OwnerActions {
  #room;
  #ownerToken;

  constructor(room, ownerToken) {
    this.#room = room;
    this.#ownerToken = ownerToken;
  }

  /** Changes some settings. Returns all of them. */
  async updateRoom(changes) {
    return (await this.#act(UPDATE_ROOM, changes)).updateRoom.room.settings;
  }

  /** Removes any message. Returns it without its text. */
  async removeMessage(messageId) {
    return (await this.#act(REMOVE_MESSAGE, { messageId })).removeMessage.message;
  }

  /** Bans a user: `{ userId, seconds, reason, removeMessages }`. */
  async banUser(ban) {
    await this.#act(BAN, ban);
  }

  async unbanUser(userId) {
    await this.#act(UNBAN, { userId });
  }

  async endRoom() {
    await this.#act(END_ROOM, {});
  }

  /** Returns a page of the bans that hold. */
  async bans(after) {
    const { room } = await request(BANS, { ...this.#room, ownerToken: this.#ownerToken, after });
    return room.bans;
  }

  #act(query, input) {
    return request(query, { input: { roomId: this.#room.id, ownerToken: this.#ownerToken, ...input } });
  }
}
