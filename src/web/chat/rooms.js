// The rooms that this browser remembers: those it has entered, and the owner tokens of those it has created.

import { serverNow } from './graphql.js';
import { load, save } from './storage.js';

/** Maximum number of recent rooms. */
const MAX_RECENT = 6;

/** Maximum number of rooms whose owner token is kept. */
const MAX_OWNED = 100;

const isAlive = ({ expiresAt }) => Date.parse(expiresAt) > serverNow();

/** Returns the rooms this browser has entered that have not ended, the latest first. */
export const recentRooms = () => (load('rooms') ?? []).filter(isAlive);

/** Adds a room to the recent rooms. */
export function rememberRoom({ id, code, expiresAt, settings }) {
  const others = recentRooms().filter((room) => room.id !== id);
  save('rooms', [{ id, code, expiresAt, title: settings.title }, ...others].slice(0, MAX_RECENT));
}

/** Forgets a room and its owner token. */
export function forgetRoom(id) {
  save('rooms', recentRooms().filter((room) => room.id !== id));
  save('owned', ownedRooms().filter((room) => room.id !== id));
}

// The token is stored apart from the link of the room, which people share.
const ownedRooms = () => (load('owned') ?? []).filter(isAlive);

/** Remembers the token that makes this browser the owner of a room. */
export function rememberOwner({ id, expiresAt }, ownerToken) {
  save('owned', [{ id, expiresAt, ownerToken }, ...ownedRooms()].slice(0, MAX_OWNED));
}

/** Returns the owner token of a room, or undefined. */
export const ownerTokenOf = (roomId) => ownedRooms().find(({ id }) => id === roomId)?.ownerToken;
