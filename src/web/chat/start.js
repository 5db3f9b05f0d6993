// The start page: create a room, join one, or return to one.

import { chat, serverNow } from './client.js';
import { el, icon } from './dom.js';
import { fragmentOf, parseCode, parseRoom } from './link.js';
import { roomName } from './names.js';
import { recentRooms } from './rooms.js';
import { roomLifetime, timeLeft } from './time.js';

export const LOGO =
  'M12 3c-5 0-9 3.5-9 8 0 2.5 1.3 4.7 3.3 6.1L6 21l4.2-2.2c.6.1 1.2.2 1.8.2 5 0 9-3.5 9-8s-4-8-9-8zM12 7.5v4l2.5 1.5';

/** Returns the start page. `reason` says why a room could not be entered; `prefill` is a room to join. */
export function startPage(reason, prefill) {
  const problem = el('p', { class: 'problem', role: 'alert', hidden: !reason }, reason ?? '');
  const showProblem = (sentence) => {
    problem.textContent = sentence;
    problem.hidden = false;
  };
  const element = el(
    'main',
    { class: 'start' },
    el('div', { class: 'hero' },
      el('div', { class: 'brand' }, icon(LOGO), 'LiveChat'),
      el('h1', {}, `A chat room for ${roomLifetime()}.`),
      el('p', { class: 'lead' }, `Create a room and share its link. No account, nothing to install. After ${roomLifetime()} the room and everything in it are deleted.`),
      createButton(showProblem),
      problem),
    el('div', { class: 'cards' }, joinForm(showProblem, prefill), recent()),
  );
  return { title: 'LiveChat', element, close() {} };
}

/** Opens a room, also if the address already names it, because an earlier attempt may have failed. */
function open(room) {
  const fragment = fragmentOf(room);
  if (location.hash === fragment) dispatchEvent(new HashChangeEvent('hashchange'));
  else location.hash = fragment;
}

function createButton(showProblem) {
  const button = el('button', { type: 'button', class: 'primary big' }, 'Create a room');
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      const { roomId: id, roomCode: code } = await chat.createRoom();
      open({ id, code });
    } catch (error) {
      const wait = error.retryAfterMs ? ` Try again in ${Math.ceil(error.retryAfterMs / 1_000)} s.` : '';
      showProblem(`The room could not be created. ${toSentence(error.message)}${wait}`);
    } finally {
      button.disabled = false;
    }
  });
  return button;
}

function joinForm(showProblem, prefill) {
  const link = el('input', { id: 'link-or-id', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', value: prefill?.id });
  const code = el('input', { id: 'code', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off' });
  const form = el(
    'form',
    { class: 'card', 'aria-labelledby': 'join' },
    el('h2', { id: 'join' }, 'Join a room'),
    el('label', { for: 'link-or-id' }, 'Link or room id'),
    link,
    el('label', { for: 'code' }, 'Code', el('span', { class: 'aside' }, ' not needed with a link')),
    code,
    el('button', { type: 'submit' }, 'Join'),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const room = parseRoom(link.value);
    if (!room) return reject(link, 'This is neither a link to a room nor a room id. An id has 32 letters and digits.');
    room.code = parseCode(code.value) || room.code;
    if (!room.code) return reject(code, 'To join with a room id, you also need its code.');
    open(room);
  });
  const reject = (field, sentence) => {
    showProblem(sentence);
    field.focus();
  };
  return form;
}

function recent() {
  const rooms = recentRooms();
  if (rooms.length === 0) return null;
  return el(
    'section',
    { class: 'card', 'aria-labelledby': 'recent' },
    el('h2', { id: 'recent' }, 'Rooms you were in'),
    el('ul', { class: 'rooms' }, ...rooms.map((room) =>
      el('li', {}, el('a', { href: fragmentOf(room) }, el('span', { class: 'room-name', dir: 'auto' }, room.title ?? roomName(room.id)), ' ', el('small', {}, timeLeft(room.expiresAt, serverNow())))),
    )),
  );
}

/** Adds a capital letter and a full stop. */
export const toSentence = (text) => {
  const capital = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
};
