// Joining a room: registers the user there before its first message, for presence, typing and reactions.

import { retry } from './backoff.js';
import { request } from './graphql.js';
import { actAsUser, currentUser, replaceUser } from './identity.js';
import { JOIN } from './operations.js';
import { cut, limitOf } from './text.js';

/** Joins a room as the user of this browser. Calls `on.joined(presenceToken)`, `on.replaced()` for a new user, and `on.error(error)`. */
export class Membership {
  #room;
  #ownerToken;
  #signal;
  #on;
  #joining = null;

  constructor(room, ownerToken, signal, on) {
    this.#room = room;
    this.#ownerToken = ownerToken;
    this.#signal = signal;
    this.#on = on;
  }

  /** Joins unless the user of this browser has joined already. Resolves to whether it has. */
  join() {
    const { userId } = currentUser();
    if (this.#joining?.userId !== userId) this.#joining = { userId, result: this.#join() };
    return this.#joining.result;
  }

  /** Joins again: the server no longer accepts the presence token, or has refused to let the user join. */
  rejoin() {
    this.#joining = null;
    return this.join();
  }

  async #join(isNewUser = false) {
    try {
      const { presenceToken } = await retry(() => actAsUser((user) => this.#request(user)), this.#signal);
      if (!this.#signal.aborted) this.#on.joined(presenceToken);
      return true;
    } catch (error) {
      this.#joining = null;
      if (this.#signal.aborted) return false;
      if (error.code !== 'TOKEN_INVALID' || isNewUser) {
        this.#on.error(error);
        return false;
      }
      replaceUser();
      this.#on.replaced();
      this.#joining = { userId: currentUser().userId, result: this.#join(true) };
      return this.#joining.result;
    }
  }

  async #request({ userId, token, name }) {
    const { id: roomId, code: roomCode } = this.#room;
    const displayName = cut(name, limitOf('display-name'));
    const input = { roomId, roomCode, userId, token, displayName, ownerToken: this.#ownerToken };
    return (await request(JOIN, { input })).payload;
  }
}
