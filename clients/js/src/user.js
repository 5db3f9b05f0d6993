// The user of a client. Its actions run one at a time, in all tabs of a browser, because each needs the token of the previous one.

import { LiveChatError } from './errors.js';
import { randomId } from './storage.js';

/** @import { Store } from './storage.js' */
/** @import { JoinOptions } from './types.js' */

/**
 * What an action sends to say who acts.
 *
 * @typedef {{ userId: string, token: string, displayName?: string, isKnown?: boolean }} Credentials
 */

export class User {
  #store;
  #name;
  #identity;
  #isReplaceable;
  #identityId = '';

  /**
   * @param {Store} store
   * @param {JoinOptions} options
   */
  constructor(store, { user = {}, identity }) {
    const { id, token, displayName } = user;
    this.#store = store;
    this.#identity = identity;
    this.#isReplaceable = !id;
    this.#name = id ? `user:${id}` : 'user';
    if (identity) return;
    // With a token chosen by the client, even the first action can be repeated if its response is lost.
    if (!store.load(this.#name)) store.save(this.#name, { userId: id ?? randomId(), token: token ?? randomId() });
    this.setName(displayName);
  }

  /** @param {string} [displayName] The name in rooms that do not know the user yet. */
  setName(displayName) {
    if (displayName && !this.#identity) this.#store.save(this.#name, { ...this.#load(), displayName });
  }

  /** Whether the user has acted, in any room. */
  get isKnown() {
    return !!(this.#identity || this.#load().isKnown);
  }

  /** Resolves when `id` is known. */
  async prepare() {
    if (this.#identity) await this.#signIn();
  }

  /** @type {string} */
  get id() {
    return this.#identity ? this.#identityId : this.#load().userId;
  }

  /** @type {string | null} */
  get displayName() {
    return this.#identity ? null : (this.#load().displayName ?? null);
  }

  /**
   * Runs `action`, which executes a mutation and returns its payload, and stores the next token.
   *
   * @template {{ token: string, user?: { displayName: string } }} Payload
   * @param {(me: Credentials) => Promise<Payload>} action
   * @param {boolean} [canReplace] Whether a new user may act instead if the server no longer accepts the token of this one.
   * @returns {Promise<Payload>}
   */
  async act(action, canReplace) {
    if (this.#identity) return action(await this.#signIn());
    return this.#store.lock(this.#name, async () => {
      try {
        return await this.#actWithToken(action);
      } catch (error) {
        const isLost = /** @type {LiveChatError} */ (error).code === 'TOKEN_INVALID';
        if (!isLost || !canReplace || !this.#isReplaceable) throw error;
        this.#store.save(this.#name, { ...this.#load(), userId: randomId(), token: randomId() });
        return this.#actWithToken(action);
      }
    });
  }

  /**
   * @template {{ token: string, user?: { displayName: string } }} Payload
   * @param {(me: Credentials) => Promise<Payload>} action
   */
  async #actWithToken(action) {
    const me = this.#load();
    const payload = await action(me);
    const displayName = payload.user?.displayName ?? me.displayName;
    this.#store.save(this.#name, { ...me, displayName, token: payload.token, isKnown: true });
    return payload;
  }

  /** @returns {Credentials} */
  #load() {
    return this.#store.load(this.#name);
  }

  /** The token with which the host site vouches for this user, if it does. */
  async identity() {
    return typeof this.#identity === 'function' ? this.#identity() : this.#identity;
  }

  async #signIn() {
    const token = String(await this.identity());
    try {
      const bytes = Uint8Array.from(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')), (char) => char.charCodeAt(0));
      this.#identityId = `@${JSON.parse(new TextDecoder().decode(bytes)).sub}`;
    } catch {
      throw new LiveChatError('IDENTITY_INVALID', 'The identity is not a JSON Web Token.');
    }
    return { userId: this.#identityId, token };
  }
}
