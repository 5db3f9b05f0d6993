// A chat with the package of this repository.

// #region livechat-client chat
import { LiveChat } from 'livechat-client';

export function openChat(url, { roomId, roomCode }, show) {
  const room = new LiveChat(url).room({ roomId, roomCode });
  room.addEventListener('change', () => show(room.state.messages));
  return room;
}
// #endregion
