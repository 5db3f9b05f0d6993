// A chat room made of React components.

import { useState } from 'react';
import { createRoot } from 'react-dom/client';
import { LiveChat } from 'livechat-client';
import { useRoom } from 'livechat-client/react';

const chat = new LiveChat('http://127.0.0.1:8001');

function Entrance() {
  const [name, setName] = useState('');
  const [entered, setEntered] = useState(null);
  const [error, setError] = useState('');

  // The address of the page names the room. Without one, create a room.
  const enter = async (event) => {
    event.preventDefault();
    try {
      const [roomId, roomCode] = location.hash ? location.hash.slice(1).split('/') : await createRoom();
      setEntered({ roomId, roomCode, user: { displayName: name } });
    } catch (failure) {
      setError(failure.message);
    }
  };

  if (entered) return <Room options={entered} />;
  return (
    <form onSubmit={enter}>
      <label>
        Your name <input value={name} onChange={({ target }) => setName(target.value)} required maxLength={64} />
      </label>
      <button>Enter</button>
      <p role="alert">{error}</p>
    </form>
  );
}

async function createRoom() {
  const { roomId, roomCode } = await chat.createRoom();
  location.hash = `${roomId}/${roomCode}`;
  return [roomId, roomCode];
}

function Room({ options }) {
  const { room, state } = useRoom(chat, options);
  const names = state.people.map(({ user }) => user.displayName).join(', ');
  return (
    <>
      <p role="status">{state.connection === 'live' ? `Here: ${names}` : (state.error?.message ?? state.connection)}</p>
      <ol>
        {state.messages.map((message) => (
          <Message key={message.clientMessageId ?? message.id} message={message} room={room} isMine={message.author.id === state.user.id} />
        ))}
      </ol>
      <Composer room={room} />
    </>
  );
}

function Message({ message: { id, author, text, status }, room, isMine }) {
  return (
    <li className={status}>
      <b>{author.displayName}</b> {text ?? <i>deleted</i>}{' '}
      {isMine && text !== null && status === 'sent' && <button onClick={() => room.remove(id)}>Delete</button>}
      {status === 'failed' && <button onClick={() => room.retry(id)}>Try again</button>}
    </li>
  );
}

function Composer({ room }) {
  const [text, setText] = useState('');
  const send = (event) => {
    event.preventDefault();
    // A message that cannot be sent stays in the list, with the status `failed`.
    room.send(text).catch(() => {});
    setText('');
  };
  const type = ({ target }) => {
    setText(target.value);
    room.typing();
  };
  return (
    <form onSubmit={send}>
      <input aria-label="Message" value={text} onChange={type} required />
      <button disabled={!room}>Send</button>
    </form>
  );
}

createRoot(document.getElementById('chat')).render(<Entrance />);
