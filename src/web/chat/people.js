// The list of people: who is here now, and who else has written in the room.

import { avatar, marks } from './avatar.js';
import { chat } from './client.js';
import { el, iconButton, ICONS } from './dom.js';
import { KeyedList } from './keyed_list.js';
import { toggleMenu } from './menu.js';
import { CHATTERS } from './operations.js';

/** Maximum length of each part of the list. */
const MAX_SHOWN = 500;

/**
 * Shows the people in the state of a room, and those who have written in the room `{ id, code }`. Calls `on.close()` when the user
 * closes the list, which covers the messages on small screens, and for the owner `on.ban(user)`.
 */
export class People {
  #key;
  #isOwner;
  #on;
  #state;
  /** The users who have written a message and are known to this page, by id. */
  #chatters = new Map();
  #nextCursor = null;
  #hasNext = true;
  #chatterCount = 0;
  #present = new KeyedList(el('ul', { class: 'chatters' }));
  #others = new KeyedList(el('ul', { class: 'chatters' }));
  #presentHead = el('h3', { hidden: true }, 'Here now');
  #othersHead = el('h3', { hidden: true }, 'Wrote earlier');
  #viewers = el('p', { class: 'viewer-count' });
  #nobody = el('p', { class: 'no-chatters' }, 'People who have joined or written a message are listed here.');
  #hidden = el('p', { class: 'no-chatters', hidden: true });
  #more = el('button', { type: 'button', class: 'small', hidden: true, onclick: () => this.loadMore() }, 'Show more');

  constructor(key, state, isOwner, on) {
    this.#key = key;
    this.#state = state;
    this.#isOwner = isOwner;
    this.#on = on;
    this.close = iconButton('Close', ICONS.close, { class: 'icon-button close', onclick: on.close });
    this.element = el(
      'aside',
      { class: 'people', id: 'people', 'aria-label': 'People' },
      el('div', { class: 'people-head' }, el('h2', {}, 'People'), this.close),
      this.#viewers,
      this.#nobody,
      this.#presentHead,
      this.#present.element,
      this.#hidden,
      this.#othersHead,
      this.#others.element,
      this.#more,
    );
  }

  /** Shows this state of the room. */
  show(state) {
    this.#state = state;
    this.#viewers.replaceChildren(el('span', { class: 'dot' }), `${state.viewerCount.toLocaleString()} here now`);
    this.#showPeople();
  }

  /** Adds the author of a message. */
  add(author) {
    if (this.#chatters.has(author.id) || this.#chatters.size >= MAX_SHOWN) return;
    this.#chatters.set(author.id, author);
    this.#chatterCount = Math.max(this.#chatterCount, this.#chatters.size);
    this.#showPeople();
  }

  /** Requests the next page of those who have written. */
  async loadMore() {
    this.#more.disabled = true;
    try {
      const { chatters, chatterCount } = (await chat.request(CHATTERS, { ...this.#key, after: this.#nextCursor })).room;
      this.#chatterCount = Math.max(this.#chatterCount, chatterCount);
      chatters.nodes.forEach((user) => this.#chatters.set(user.id, user));
      this.#nextCursor = chatters.pageInfo.endCursor ?? this.#nextCursor;
      this.#hasNext = chatters.pageInfo.hasNextPage;
    } catch {
      // The button stays, so the user can try again.
    }
    this.#more.disabled = false;
    this.#showPeople();
  }

  #showPeople() {
    const { people, userCount } = this.#state;
    const presentIds = new Set(people.map(({ user }) => user.id));
    const present = [...people].sort(byRoleAndName).slice(0, MAX_SHOWN);
    const others = [...this.#chatters.values()].filter(({ id }) => !presentIds.has(id));
    this.#present.replace(present.map(({ user, role }) => this.#item(user, role)));
    this.#others.replace(others.map((user) => this.#item(user, 'MEMBER')));
    const unlisted = Math.max(0, userCount - present.length);
    this.#hidden.hidden = unlisted === 0;
    this.#hidden.textContent = `and ${unlisted.toLocaleString()} more`;
    this.#presentHead.hidden = present.length === 0;
    this.#othersHead.hidden = others.length === 0;
    this.#nobody.hidden = present.length + others.length > 0;
    this.#more.hidden = !this.#hasNext || this.#chatters.size >= Math.min(MAX_SHOWN, this.#chatterCount);
  }

  #item(user, role) {
    const isMe = user.id === this.#state.user.id;
    const canBan = this.#isOwner && role !== 'OWNER' && !isMe;
    const look = JSON.stringify([user, role, isMe]);
    return { key: user.id, look, make: () => this.#row(user, role, isMe, canBan) };
  }

  #row(user, role, isMe, canBan) {
    const items = [{ label: `Ban ${user.displayName}`, icon: ICONS.ban, isDanger: true, action: () => this.#on.ban(user) }];
    const more = iconButton(`More about ${user.displayName}`, ICONS.more, {
      data: { part: 'more' }, 'aria-haspopup': 'menu', 'aria-expanded': 'false', onclick: () => toggleMenu(more, user.displayName, items),
    });
    return el(
      'li',
      {},
      avatar(user),
      el('span', { class: 'chatter-name', dir: 'auto' }, user.displayName),
      ...marks(user, role),
      isMe ? el('span', { class: 'you' }, 'you') : null,
      canBan ? more : null,
    );
  }
}

const { compare } = new Intl.Collator();

/** Owners first, then by name. */
const byRoleAndName = (one, other) =>
  Number(other.role === 'OWNER') - Number(one.role === 'OWNER') || compare(one.user.displayName, other.user.displayName);
