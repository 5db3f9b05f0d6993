// The start page: make a room, join one, go back to one.

import { el, icon } from './dom.js';
import { ask, serverNow } from './graphql.js';
import { keep, kept } from './keep.js';
import { fragmentOf, readCode, readRoom } from './link.js';
import { roomName } from './names.js';
import { CREATE_ROOM } from './operations.js';
import { timeLeft } from './time.js';

/** How many rooms are remembered to go back to. */
const REMEMBERED = 6;

export const LOGO =
  'M12 3c-5 0-9 3.5-9 8 0 2.5 1.3 4.7 3.3 6.1L6 21l4.2-2.2c.6.1 1.2.2 1.8.2 5 0 9-3.5 9-8s-4-8-9-8zM12 7.5v4l2.5 1.5';

/** Rooms this browser was in that are still there, the last one first. */
export const recentRooms = () => (kept('rooms') ?? []).filter(({ expiresAt }) => Date.parse(expiresAt) > serverNow());

/** Remembers a room to go back to. */
export function rememberRoom({ id, code, expiresAt }) {
  const others = recentRooms().filter((room) => room.id !== id);
  keep('rooms', [{ id, code, expiresAt }, ...others].slice(0, REMEMBERED));
}

export function forgetRoom(id) {
  keep('rooms', recentRooms().filter((room) => room.id !== id));
}

/** The start page, with a sentence about why one is here instead of in a room, if there is one. */
export function startPage(reason, prefill) {
  const problem = el('p', { class: 'problem', role: 'alert', hidden: !reason }, reason ?? '');
  const tell = (sentence) => {
    problem.textContent = sentence;
    problem.hidden = false;
  };
  const element = el(
    'main',
    { class: 'start' },
    el('div', { class: 'hero' },
      el('div', { class: 'brand' }, icon(LOGO), 'LiveChat'),
      el('h1', {}, 'A room for today.'),
      el('p', { class: 'lead' }, 'Make a room and share its link. No account, nothing to install. After 24 hours it is gone, with everything in it.'),
      createButton(tell),
      problem),
    el('div', { class: 'cards' }, joinForm(tell, prefill), recent()),
  );
  return { title: 'LiveChat', element, close() {} };
}

/** Opens a room, even if the address names it already: it may have been refused, and be tried again. */
function open(room) {
  const fragment = fragmentOf(room);
  if (location.hash === fragment) dispatchEvent(new HashChangeEvent('hashchange'));
  else location.hash = fragment;
}

function createButton(tell) {
  const button = el('button', { type: 'button', class: 'primary big' }, 'Create a room');
  button.addEventListener('click', async () => {
    button.disabled = true;
    try {
      const { room } = (await ask(CREATE_ROOM)).createRoom;
      open(room);
    } catch (refusal) {
      const wait = refusal.retryAfterMs ? ` Try again in ${Math.ceil(refusal.retryAfterMs / 1_000)} s.` : '';
      tell(`The room could not be made. ${sentence(refusal.message)}${wait}`);
    } finally {
      button.disabled = false;
    }
  });
  return button;
}

function joinForm(tell, prefill) {
  const place = el('input', { id: 'place', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', value: prefill?.id });
  const code = el('input', { id: 'code', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off' });
  const form = el(
    'form',
    { class: 'card', 'aria-labelledby': 'join' },
    el('h2', { id: 'join' }, 'Join a room'),
    el('label', { for: 'place' }, 'Link or room id'),
    place,
    el('label', { for: 'code' }, 'Code', el('span', { class: 'aside' }, ' not needed with a link')),
    code,
    el('button', { type: 'submit' }, 'Join'),
  );
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const room = readRoom(place.value);
    if (!room) return refuse(place, 'This is neither a link to a room nor a room id, which has 32 letters and digits.');
    room.code = readCode(code.value) || room.code;
    if (!room.code) return refuse(code, 'To join by its id, the room’s code is needed, too.');
    open(room);
  });
  const refuse = (field, sentence) => {
    tell(sentence);
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
      el('li', {}, el('a', { href: fragmentOf(room) }, el('span', {}, roomName(room.id)), ' ', el('small', {}, timeLeft(room.expiresAt, serverNow())))),
    )),
  );
}

const sentence = (text) => {
  const capital = text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capital) ? capital : `${capital}.`;
};
