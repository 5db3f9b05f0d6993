// A room in the box of a page in the style of the original website. The rows have the classes for which such pages have styles.

import { el } from '../element/dom.js';
import { LiveChat } from '../index.js';

/** @import { Message, PendingMessage, Room } from '../index.js' */

/** A reader who is this close to the end stays there, in pixels. */
const END_DISTANCE = 40;

/** @type {MutationObserver | undefined} */
let observer;

/**
 * Shows a room in `box`, instead of what the page puts there.
 *
 * @param {HTMLElement} box
 * @param {URL} server
 * @param {{ roomId: string, roomCode: string }} key
 * @returns {Room}
 */
export function showRoom(box, server, key) {
  const chat = new LiveChat(server);
  const room = chat.room({ ...key, isVisible: false });
  room.left.then(() => chat.close());
  /** @type {Map<string, { message: Message | PendingMessage, row: HTMLElement }>} */
  let rows = new Map();
  const earlier = el('button', { type: 'button', onclick: () => room.loadEarlier() }, 'Show earlier messages');
  const status = el('p', { role: 'status' });
  const list = el('div', { role: 'log' });
  // The styles of the page see the rows as if they were in the box itself.
  list.style.display = 'contents';

  const keepAlone = () => {
    for (const node of [...box.childNodes]) if (node !== list) node.remove();
    if (!list.parentNode) box.append(list);
  };
  observer?.disconnect();
  observer = new MutationObserver(keepAlone);
  observer.observe(box, { childList: true });
  keepAlone();

  const render = () => {
    const { messages, hasEarlier, connection } = room.state;
    const isAtEnd = box.scrollHeight - box.clientHeight - box.scrollTop < END_DISTANCE;
    const known = rows;
    rows = new Map();
    for (const message of messages) {
      if (message.text === null) continue;
      const old = known.get(message.id);
      rows.set(message.id, old?.message === message ? old : { message, row: rowOf(message, key.roomId) });
    }
    status.textContent = connection === 'lost' ? 'Connection lost. Trying again…' : connection === 'ended' ? 'This room has ended.' : '';
    list.replaceChildren(...(hasEarlier ? [earlier] : []), ...[...rows.values()].map(({ row }) => row), ...(status.textContent ? [status] : []));
    if (isAtEnd) box.scrollTop = box.scrollHeight;
  };
  room.addEventListener('change', render);
  return room;
}

/**
 * @param {Message | PendingMessage} message
 * @param {string} roomId
 */
function rowOf({ author, text, createdAt, index }, roomId) {
  const time = new Date(createdAt).toLocaleString();
  return el(
    'span',
    { class: 'msg-box', 'data-user-id': author.id, 'data-message-id': index, 'data-room-id': roomId },
    el('div', { class: 'user-avatar-con' }, el('i', { class: 'avatar-img fa fa-user', title: author.displayName })),
    el(
      'div',
      { class: 'user-msg-info-con' },
      el('div', { class: 'user-info-con' }, el('span', { class: 'user-name' }, author.displayName), ' ', el('span', { class: 'user-msg-time-box' }, time)),
      el('div', { class: 'user-msg-con' }, text),
    ),
  );
}
