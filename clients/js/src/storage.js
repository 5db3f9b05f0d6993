// Values that outlive the page, and locks that hold in all tabs.

/** @import { Storage } from './types.js' */

/**
 * 128 random bits as hex digits. Unlike `crypto.randomUUID`, works without a secure context, too.
 */
export const randomId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');

/**
 * What is remembered about a room.
 *
 * @typedef {{ expiresAt: string, ownerToken?: string }} RememberedRoom
 */

/** @returns {Storage | undefined} */
function browserStorage() {
  try {
    return globalThis.localStorage;
  } catch {
    // Storage is not allowed.
  }
}

/** The values of one server. If storage is not allowed, they live as long as this object. */
export class Store {
  #prefix;
  #storage;
  /** @type {Map<string, any>} */
  #memory = new Map();
  /** @type {Map<string, Promise<any>>} */
  #lastWork = new Map();

  /**
   * @param {string} prefix
   * @param {Storage} [storage]
   */
  constructor(prefix, storage = 'document' in globalThis ? browserStorage() : undefined) {
    this.#prefix = prefix;
    this.#storage = storage;
  }

  /** Whether the values outlive this object. */
  get isPersistent() {
    return !!this.#storage;
  }

  /** @param {string} name */
  load(name) {
    try {
      const text = this.#storage?.getItem(this.#prefix + name);
      if (text) return JSON.parse(text);
    } catch {
      // Not allowed, or not ours.
    }
    return this.#memory.get(name);
  }

  /**
   * @param {string} name
   * @param {any} value
   */
  save(name, value) {
    this.#memory.set(name, value);
    try {
      this.#storage?.setItem(this.#prefix + name, JSON.stringify(value));
    } catch {
      // Not allowed, or full.
    }
  }

  /**
   * @param {string} roomId
   * @returns {RememberedRoom | undefined}
   */
  room(roomId) {
    return this.load('rooms')?.[roomId];
  }

  /**
   * Remembers values of a room, and forgets rooms that have ended.
   *
   * @param {string} roomId
   * @param {Partial<RememberedRoom>} values
   */
  saveRoom(roomId, values) {
    /** @type {Record<string, RememberedRoom>} */
    const rooms = { ...this.load('rooms') };
    const { expiresAt = '', ...known } = rooms[roomId] ?? {};
    rooms[roomId] = { expiresAt, ...known, ...values };
    this.save('rooms', Object.fromEntries(Object.entries(rooms).filter(([, room]) => Date.parse(room.expiresAt) > Date.now())));
  }

  /**
   * Runs `work` while no other tab of this browser runs any under this name.
   *
   * @template T
   * @param {string} name
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  lock(name, work) {
    // Without a secure context there are no locks, so the order holds only within this tab. If two tabs use the same token at
    // the same time, the server gives each a valid one. Without storage, tabs share nothing.
    if (this.#storage && globalThis.navigator?.locks) {
      return /** @type {Promise<any>} */ (navigator.locks.request(this.#prefix + name, work));
    }
    const result = (this.#lastWork.get(name) ?? Promise.resolve()).then(work, work);
    this.#lastWork.set(name, result);
    return result;
  }
}
