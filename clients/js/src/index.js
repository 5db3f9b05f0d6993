// The entry point of the package.

import { ACTIVE_ROOMS, CREATE_ROOM } from './operations.js';
import { Room } from './room.js';
import { Server } from './server.js';
import { Store } from './storage.js';
import { Tabs } from './tabs.js';

/**
 * @typedef {import('./errors.js').ErrorCode} ErrorCode
 * @typedef {import('./types.js').ActiveRoom} ActiveRoom
 * @typedef {import('./types.js').Ban} Ban
 * @typedef {import('./types.js').Chatter} Chatter
 * @typedef {import('./types.js').Connection} Connection
 * @typedef {import('./types.js').CreatedRoom} CreatedRoom
 * @typedef {import('./types.js').JoinOptions} JoinOptions
 * @typedef {import('./types.js').Message} Message
 * @typedef {import('./types.js').PendingMessage} PendingMessage
 * @typedef {import('./types.js').Person} Person
 * @typedef {import('./types.js').RoomEvent} RoomEvent
 * @typedef {import('./types.js').RoomSettings} RoomSettings
 * @typedef {import('./types.js').RoomState} RoomState
 * @typedef {import('./types.js').SendOptions} SendOptions
 * @typedef {import('./types.js').Storage} Storage
 */

/** @import { TimingOptions } from './server.js' */
/** @import { Timing } from './socket.js' */
/** @import { Page } from './types.js' */

export { LiveChatError } from './errors.js';
export { Room };

/**
 * @typedef {object} LiveChatOptions
 * @property {typeof fetch} [fetch] Default: the global one.
 * @property {typeof WebSocket | null} [WebSocket] Default: the global one. Without one, as in Node.js before version 22, events
 *   arrive over server-sent events.
 * @property {Storage} [storage] Where users and tokens are kept. Default: `localStorage` in browsers; elsewhere, memory.
 * @property {boolean} [isShared] Whether the tabs of a browser share a connection; default true.
 * @property {Partial<Timing & TimingOptions>} [timing]
 */

/** A client of one server. */
export class LiveChat {
  #server;
  #store;
  #tabs;
  /** @type {Set<Room>} */
  #rooms = new Set();

  /**
   * @param {string | URL} url The address of the chat page, like `https://chat.example.org`.
   * @param {LiveChatOptions} [options]
   */
  constructor(url, { fetch = globalThis.fetch.bind(globalThis), WebSocket = globalThis.WebSocket, storage, isShared = true, timing } = {}) {
    const base = new URL(url, globalThis.location?.href);
    if (!base.pathname.endsWith('/')) base.pathname += '/';
    const endpoint = new URL('graphql', base);
    this.#server = new Server(endpoint, fetch, WebSocket, timing);
    this.#store = new Store(`livechat:${endpoint}:`, storage);
    // Where storage is not allowed, as in some frames, locks are not either.
    this.#tabs = new Tabs(this.#server, `livechat:${endpoint}`, isShared && this.#store.isPersistent);
  }

  /**
   * Creates a room. This client remembers its owner's token.
   *
   * @param {Partial<RoomSettings> & { identity?: string }} [settings] `identity` is needed where the server asks who creates rooms.
   * @returns {Promise<CreatedRoom>}
   */
  async createRoom(settings) {
    const { room, ownerToken } = (await this.#server.request(CREATE_ROOM, { input: settings })).createRoom;
    const { id: roomId, code: roomCode, expiresAt } = room;
    this.#store.saveRoom(roomId, { expiresAt, ownerToken });
    return { roomId, roomCode, ownerToken, expiresAt };
  }

  /**
   * A page of the listed rooms, newest first.
   *
   * @param {{ first?: number, after?: string | null }} [page]
   * @returns {Promise<Page<ActiveRoom>>}
   */
  async activeRooms({ first = 50, after } = {}) {
    return (await this.#server.request(ACTIVE_ROOMS, { first, after })).activeRooms;
  }

  /**
   * Executes an operation of the server's GraphQL API for which this package has no method, and returns its data.
   *
   * @param {string} query
   * @param {object} [variables]
   * @returns {Promise<any>}
   */
  request(query, variables) {
    return this.#server.request(query, variables);
  }

  /**
   * Joins a room. Resolves when it has been read; rejects if the server refuses. While the server cannot be reached, it tries
   * again, until `options.signal` is aborted.
   *
   * @param {JoinOptions} options
   */
  join(options) {
    return this.room(options).joined;
  }

  /**
   * Like `join`, but returns the room at once. Its `state` tells how far it is.
   *
   * @param {JoinOptions} options
   */
  room(options) {
    const room = new Room(this.#server, this.#store, this.#tabs, options);
    this.#rooms.add(room);
    room.left.then(() => this.#rooms.delete(room));
    return room;
  }

  /** Leaves all rooms and closes the connection. */
  close() {
    this.#rooms.forEach((room) => room.leave());
    this.#tabs.close();
    this.#server.close();
  }
}
