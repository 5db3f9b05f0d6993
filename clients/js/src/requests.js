// The requests of a room: as a reader, as its user, and as its owner. They are repeated after transient errors until the room is
// left.

import { LiveChatError } from './errors.js';
import { JOIN, SEND } from './operations.js';

/** @import { Server } from './server.js' */
/** @import { RoomKey } from './types.js' */
/** @import { User } from './user.js' */

export class RoomRequests {
  server;
  key;
  user;
  ownerToken;
  #signal;

  /**
   * @param {Server} server
   * @param {RoomKey} key
   * @param {User} user
   * @param {string | undefined} ownerToken
   * @param {AbortSignal} signal
   */
  constructor(server, key, user, ownerToken, signal) {
    this.server = server;
    this.key = key;
    this.user = user;
    this.ownerToken = ownerToken;
    this.#signal = signal;
  }

  /**
   * Executes a query of the room and returns what it selects.
   *
   * @param {string} query
   * @param {object} [variables]
   * @param {(error: LiveChatError) => void} [onWait] Is called before each pause.
   */
  async read(query, variables, onWait) {
    return (await this.#retry(query, { ...this.key, ...variables }, onWait)).room;
  }

  /**
   * Executes a mutation of the user.
   *
   * @param {string} mutation
   * @param {object} [input]
   * @param {AbortSignal} [signal] Ends the retries, like leaving the room.
   */
  act(mutation, input, signal = this.#signal) {
    const attempt = () => {
      this.#signal.throwIfAborted();
      return this.actOnce(mutation, input);
    };
    return this.server.backoff.retry(attempt, signal);
  }

  /**
   * Like `act`, without repeating it.
   *
   * @param {string} mutation
   * @param {object} [input]
   * @returns {Promise<any>}
   */
  actOnce(mutation, input) {
    const mayRegister = mutation === SEND || mutation === JOIN;
    return this.user.act(async ({ userId, token, displayName }) => {
      const me = mayRegister ? { userId, token, displayName, ownerToken: this.ownerToken } : { userId, token };
      return (await this.server.request(mutation, { input: { ...this.key, ...me, ...input } })).payload;
    }, mayRegister);
  }

  /**
   * Executes a mutation of the owner.
   *
   * @param {string} mutation
   * @param {object} [input]
   */
  async actAsOwner(mutation, input) {
    const ownerToken = await this.proveOwner();
    const { roomId } = this.key;
    return (await this.#retry(mutation, { input: { roomId, ownerToken, ...input } })).payload;
  }

  /** The owner's token, or an identity, which may have the role of the owner. */
  async proveOwner() {
    const proof = this.ownerToken ?? (await this.user.identity());
    if (!proof) throw new LiveChatError('OWNER_TOKEN_INVALID', 'This client has no token of the owner.');
    return proof;
  }

  /**
   * @param {string} query
   * @param {object} variables
   * @param {(error: LiveChatError) => void} [onWait]
   */
  #retry(query, variables, onWait) {
    return this.server.backoff.retry(() => this.server.request(query, variables), this.#signal, onWait);
  }
}
