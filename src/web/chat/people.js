// The list of people: the number of viewers, and everybody who has written a message in the room.

import { el, iconButton, ICONS } from './dom.js';
import { request } from './graphql.js';
import { currentUser } from './identity.js';
import { initials, tone } from './names.js';
import { CHATTERS } from './operations.js';

/** Maximum length of the list; a room may have more chatters. */
const MAX_CHATTERS = 500;

/** Calls `onClose` when the user closes the list, which covers the messages on small screens. */
export class People {
  #room;
  #chatters = new Map();
  #nextCursor = null;
  #hasNext = true;
  #count = 0;
  #list = el('ul', { class: 'chatters' });
  #viewers = el('p', { class: 'viewer-count' });
  #more = el('button', { type: 'button', class: 'small', hidden: true, onclick: () => this.loadMore() }, 'Show more');

  constructor(room, onClose) {
    this.#room = room;
    this.close = iconButton('Close', ICONS.close, { class: 'icon-button close', onclick: onClose });
    this.element = el(
      'aside',
      { class: 'people', id: 'people', 'aria-label': 'People' },
      el('div', { class: 'people-head' }, el('h2', {}, 'People'), this.close),
      this.#viewers,
      this.#list,
      this.#more,
    );
  }

  /** Shows the numbers of viewers and chatters. */
  showCounts({ viewerCount, chatterCount }) {
    this.#count = chatterCount;
    this.#viewers.replaceChildren(el('span', { class: 'dot' }), viewersLabel(viewerCount));
    this.#show();
  }

  /** Adds the author of a message. Returns whether the author is new. */
  add(author) {
    if (this.#chatters.has(author.id) || this.#chatters.size >= MAX_CHATTERS) return false;
    this.#chatters.set(author.id, author.displayName);
    this.#count = Math.max(this.#count, this.#chatters.size);
    this.#show();
    return true;
  }

  /** Requests the next page of the list. */
  async loadMore() {
    this.#more.disabled = true;
    try {
      const { chatters } = (await request(CHATTERS, { ...this.#room, after: this.#nextCursor })).room;
      chatters.nodes.forEach(({ id, displayName }) => this.#chatters.set(id, displayName));
      this.#nextCursor = chatters.pageInfo.endCursor ?? this.#nextCursor;
      this.#hasNext = chatters.pageInfo.hasNextPage;
    } catch {
      // The button stays, so the user can try again.
    }
    this.#more.disabled = false;
    this.#show();
  }

  #show() {
    const ownId = currentUser().userId;
    const rows = [...this.#chatters].map(([id, name]) =>
      el(
        'li',
        {},
        el('span', { class: `avatar ${tone(id)}`, 'aria-hidden': 'true' }, initials(name)),
        el('span', { class: 'chatter-name', dir: 'auto' }, name),
        id === ownId ? el('span', { class: 'badge' }, 'you') : null,
      ),
    );
    if (rows.length === 0) rows.push(el('li', { class: 'no-chatters' }, 'People who have written a message are listed here.'));
    this.#list.replaceChildren(...rows);
    this.#more.hidden = !this.#hasNext || this.#chatters.size >= MAX_CHATTERS || this.#chatters.size >= this.#count;
  }
}

export const viewersLabel = (viewers) => `${viewers} here now`;
