// The rooms that this browser has entered.

import { serverNow, store } from './client.js';

/** Maximum number of recent rooms. */
const MAX_RECENT = 6;

const isAlive = ({ expiresAt }) => Date.parse(expiresAt) > serverNow();

/** Returns the rooms this browser has entered that have not ended, the latest first. */
export const recentRooms = () => (store.load('recent') ?? []).filter(isAlive);

/** Adds a room to the recent rooms. */
export function rememberRoom({ id, code, expiresAt, title }) {
  const others = recentRooms().filter((room) => room.id !== id);
  store.save('recent', [{ id, code, expiresAt, title }, ...others].slice(0, MAX_RECENT));
}

export function forgetRoom(id) {
  store.save('recent', recentRooms().filter((room) => room.id !== id));
}
