// Who is here: how many look at the room now, and who has said something in it.

import { el, iconButton, ICONS } from './dom.js';
import { ask } from './graphql.js';
import { me } from './identity.js';
import { initials, tone } from './names.js';
import { CHATTERS } from './operations.js';

/** How many people are kept in the list; a room may have had more. */
const MOST = 500;

/** The list of people. `onClose` is told when somebody closes it, where it covers the messages. */
export class People {
  #room;
  #chatters = new Map();
  #next = null;
  #hasNext = true;
  #count = 0;
  #list = el('ul', { class: 'chatters' });
  #now = el('p', { class: 'now' });
  #more = el('button', { type: 'button', class: 'small', hidden: true, onclick: () => this.load() }, 'Show more');

  constructor(room, onClose) {
    this.#room = room;
    this.close = iconButton('Close', ICONS.close, { class: 'icon-button close', onclick: onClose });
    this.element = el(
      'aside',
      { class: 'people', id: 'people', 'aria-label': 'People' },
      el('div', { class: 'people-head' }, el('h2', {}, 'People'), this.close),
      this.#now,
      this.#list,
      this.#more,
    );
  }

  /** Says how many there are. */
  count({ viewerCount, chatterCount }) {
    this.#count = chatterCount;
    this.#now.replaceChildren(el('span', { class: 'dot' }), hereNow(viewerCount));
    this.#show();
  }

  /** Somebody has said something; true when that one is new here. */
  heard(author) {
    if (this.#chatters.has(author.id) || this.#chatters.size >= MOST) return false;
    this.#chatters.set(author.id, author.displayName);
    this.#count = Math.max(this.#count, this.#chatters.size);
    this.#show();
    return true;
  }

  /** Asks for the next people of the list. */
  async load() {
    this.#more.disabled = true;
    try {
      const { chatters } = (await ask(CHATTERS, { ...this.#room, after: this.#next })).room;
      chatters.nodes.forEach(({ id, displayName }) => this.#chatters.set(id, displayName));
      this.#next = chatters.pageInfo.endCursor ?? this.#next;
      this.#hasNext = chatters.pageInfo.hasNextPage;
    } catch {
      // The button stays, to try again.
    }
    this.#more.disabled = false;
    this.#show();
  }

  #show() {
    const mine = me().userId;
    const rows = [...this.#chatters].map(([id, name]) =>
      el(
        'li',
        {},
        el('span', { class: `face ${tone(id)}`, 'aria-hidden': 'true' }, initials(name)),
        el('span', { class: 'who-name', dir: 'auto' }, name),
        id === mine ? el('span', { class: 'badge' }, 'you') : null,
      ),
    );
    if (rows.length === 0) rows.push(el('li', { class: 'nobody' }, 'Whoever says something is listed here.'));
    this.#list.replaceChildren(...rows);
    this.#more.hidden = !this.#hasNext || this.#chatters.size >= MOST || this.#chatters.size >= this.#count;
  }
}

export const hereNow = (viewers) => `${viewers} here now`;
