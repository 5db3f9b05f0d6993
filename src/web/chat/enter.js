// Entering a room, which leads to its screen, or back to the start page with the reason.

import { chat } from './client.js';
import { currentIdentity } from './identity.js';
import { RoomScreen } from './room.js';
import { forgetRoom } from './rooms.js';
import { startPage, toSentence } from './start.js';
import { roomLifetime } from './time.js';

/** Enters the room `{ id, code }`. Returns its screen, or the start page with the reason why it cannot be entered. */
export async function enterRoom(key, signal, showStatus) {
  // A new user chooses a name before others see it.
  const identity = currentIdentity() ? currentIdentity : undefined;
  const room = chat.room({ roomId: key.id, roomCode: key.code, identity, isVisible: false });
  const leave = () => room.leave();
  const showProblem = () => room.state.error && showStatus(waitSentence(room.state.error));
  signal.addEventListener('abort', leave);
  room.addEventListener('change', showProblem);
  try {
    await room.joined;
    return new RoomScreen(room, key);
  } catch (error) {
    if (error.code === 'ROOM_NOT_FOUND') {
      forgetRoom(key.id);
      return startPage(`This room has ended or does not exist. Rooms last ${roomLifetime()}.`);
    }
    if (error.code === 'ROOM_CODE_INVALID') return startPage('The code in this link is wrong. Ask for the link again.', key);
    return startPage(toSentence(error.message));
  } finally {
    signal.removeEventListener('abort', leave);
    room.removeEventListener('change', showProblem);
  }
}

function waitSentence({ message, retryAfterMs }) {
  const wait = retryAfterMs ? ` in ${Math.ceil(retryAfterMs / 1_000)} s` : '';
  return `${toSentence(message)} Trying again${wait}…`;
}
