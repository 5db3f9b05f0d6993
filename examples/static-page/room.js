// Shows the room that the address of the page names. Without one, creates a room.

import { LiveChat } from 'http://127.0.0.1:8001/client/index.js';

if (!location.hash) {
  const { roomId, roomCode } = await new LiveChat('http://127.0.0.1:8001').createRoom({ title: 'Guests' });
  location.hash = `${roomId}/${roomCode}`;
}
const [room, code] = location.hash.slice(1).split('/');
const chat = document.querySelector('live-chat');
chat.setAttribute('room', room);
chat.setAttribute('code', code);
