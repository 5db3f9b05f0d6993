// Entering a room, which leads to its screen, or back to the start page with the reason.

import { retry } from './backoff.js';
import { request } from './graphql.js';
import { currentUser } from './identity.js';
import { ROOM } from './operations.js';
import { RoomScreen } from './room.js';
import { forgetRoom, ownerTokenOf } from './rooms.js';
import { startPage, toSentence } from './start.js';
import { roomLifetime } from './time.js';

/** Enters a room. Returns its screen, or the start page with the reason why it cannot be entered. */
export async function enterRoom(room, signal, showStatus) {
  try {
    const onWait = (error, ms) => showStatus(`${toSentence(error.message)} Trying again in ${Math.ceil(ms / 1_000)} s…`);
    const { room: state } = await retry(() => request(ROOM, { ...room, userId: currentUser().userId }), signal, onWait);
    return new RoomScreen(state, ownerTokenOf(state.id));
  } catch (error) {
    if (error.code === 'ROOM_NOT_FOUND') {
      forgetRoom(room.id);
      return startPage(`This room has ended or does not exist. Rooms last ${roomLifetime()}.`);
    }
    if (error.code === 'ROOM_CODE_INVALID') return startPage('The code in this link is wrong. Ask for the link again.', room);
    return startPage(toSentence(error.message));
  }
}
