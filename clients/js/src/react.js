// A React hook for rooms. For React 18 and later, also where pages are rendered on a server.

import { useMemo, useSyncExternalStore } from 'react';

/** @import { LiveChat, Room } from './index.js' */
/** @import { JoinOptions, RoomState } from './types.js' */

/**
 * A room and its current state. The room is null before the component is mounted, and on a server.
 *
 * @typedef {{ room: Room | null, state: RoomState }} RoomHandle
 */

/**
 * Joins a room while the component is mounted, and renders the component again whenever its state changes. Joins another one when
 * `chat`, `roomId`, `roomCode`, the user's id or a textual `identity` changes; other options apply when it joins.
 *
 * @param {LiveChat} chat Create it outside of the component.
 * @param {JoinOptions} options
 * @returns {RoomHandle}
 */
export function useRoom(chat, options) {
  const { roomId, roomCode, user, identity } = options;
  const source = useMemo(
    () => new RoomSource(chat, options),
    [chat, roomId, roomCode, user?.id, typeof identity === 'string' ? identity : null],
  );
  return useSyncExternalStore(source.subscribe, source.current, source.initial);
}

/** Joins the room for its first subscriber, and leaves it after the last one. */
class RoomSource {
  #chat;
  #options;
  #listeners = new Set();
  /** @type {RoomHandle} */
  #initial;
  /** @type {RoomHandle} */
  #handle;

  /**
   * @param {LiveChat} chat
   * @param {JoinOptions} options
   */
  constructor(chat, options) {
    this.#chat = chat;
    this.#options = options;
    this.#initial = { room: null, state: { ...BLANK, roomId: options.roomId } };
    this.#handle = this.#initial;
  }

  initial = () => this.#initial;

  current = () => {
    const { room, state } = this.#handle;
    if (room && room.state !== state) this.#handle = { room, state: room.state };
    return this.#handle;
  };

  /** @param {() => void} listener */
  subscribe = (listener) => {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#join();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#leave();
    };
  };

  #join() {
    const room = this.#chat.room(this.#options);
    this.#handle = { room, state: room.state };
    room.addEventListener('change', this.#notify);
    this.#notify();
  }

  #leave() {
    const { room } = this.#handle;
    room?.removeEventListener('change', this.#notify);
    room?.leave();
    this.#handle = this.#initial;
  }

  #notify = () => this.#listeners.forEach((listener) => listener());
}

/** @type {RoomState} */
const BLANK = {
  roomId: '',
  connection: 'connecting',
  error: null,
  cursor: '',
  messages: [],
  hasEarlier: false,
  people: [],
  userCount: 0,
  viewerCount: 0,
  typing: [],
  settings: null,
  expiresAt: null,
  user: { id: '', displayName: null, isKnown: false },
  isOwner: false,
  ban: null,
};
