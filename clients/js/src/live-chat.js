// The custom element <live-chat>: a chat room on any page.
//
// Attributes: `room` and `code`; `server`, by default the one that serves this file; `name`, the user's; `identity`, with which the
// site vouches for the user; `owner-token`, of the room, for its owner; `theme`, `light` or `dark` instead of the system's.

import { el } from './element/dom.js';
import { messageRow } from './element/message_row.js';
import { banAuthor, editSettings, endRoom } from './element/owner_dialogs.js';
import { styles } from './element/styles.js';
import { LiveChat } from './index.js';

/** @import { Message, Room, RoomState } from './index.js' */

/** A reader who is this close to the end stays there, in pixels. */
const END_DISTANCE = 40;

/** The clients of this page, by server: several rooms share a connection. @type {Map<string, LiveChat>} */
const clients = new Map();

/** @param {string} url */
function clientOf(url) {
  const client = clients.get(url) ?? new LiveChat(url);
  clients.set(url, client);
  return client;
}

export class LiveChatElement extends HTMLElement {
  static observedAttributes = ['room', 'code', 'server', 'identity', 'owner-token'];

  /** The room that is shown; null before the element has its attributes. @type {Room | null} */
  room = null;
  #root;
  #isScheduled = false;
  /** Why the last action has failed. */
  #notice = '';
  /** Rows of the list by message id, each with the look it was made for. @type {Map<string, { look: string, row: HTMLElement }>} */
  #rows = new Map();
  /** @type {Message | null} */
  #replyTo = null;
  /** @type {Message | null} */
  #editing = null;
  #title = el('h2', {}, 'Chat');
  #people = el('span', { class: 'muted' });
  #owner = el(
    'div',
    { class: 'actions', hidden: true },
    el('button', { type: 'button', onclick: () => this.#try((room) => editSettings(this.#root, room, this.#show)) }, 'Settings'),
    el('button', { type: 'button', onclick: () => this.#try((room) => endRoom(this.#root, room)) }, 'End'),
  );
  #status = el('p', { class: 'status muted', role: 'status' });
  #earlier = el('button', { type: 'button', onclick: () => this.#loadEarlier() }, 'Show earlier messages');
  #list = el('ol');
  #log = el('div', { class: 'log', role: 'log', 'aria-label': 'Messages', tabindex: '0' }, this.#earlier, this.#list);
  #typing = el('p', { class: 'typing muted' });
  #context = el('div', { class: 'wide muted' });
  #name = el('input', { 'aria-label': 'Your name', placeholder: 'Your name', maxlength: '64', autocomplete: 'nickname' });
  #text = el('textarea', {
    'aria-label': 'Message',
    placeholder: 'Message',
    rows: '2',
    oninput: () => this.room?.typing(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => this.#handleKey(event),
  });
  #send = el('button', { class: 'primary' }, 'Send');
  #onSubmit = (/** @type {Event} */ event) => this.#submit(event);
  #form = el('form', { onsubmit: this.#onSubmit }, this.#context, this.#name, this.#text, this.#send);

  constructor() {
    super();
    this.#root = this.attachShadow({ mode: 'open', delegatesFocus: true });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(styles);
    this.#root.adoptedStyleSheets = [sheet];
    const header = el('header', {}, this.#title, this.#people, this.#owner);
    this.#root.append(header, this.#status, this.#log, this.#typing, this.#form);
  }

  connectedCallback() {
    this.#open();
  }

  disconnectedCallback() {
    this.#close();
  }

  /**
   * @param {string} name
   * @param {string | null} before
   * @param {string | null} value
   */
  attributeChangedCallback(name, before, value) {
    // The room asks for the current identity whenever it needs one, unless it was refused with the old one.
    const isRenewed = name === 'identity' && before !== null && value !== null && this.room?.state.connection !== 'closed';
    if (this.isConnected && before !== value && !isRenewed) this.#open();
  }

  /** @param {string} [name] What the user has entered. */
  #open(name) {
    this.#close();
    const [roomId, roomCode] = [this.getAttribute('room'), this.getAttribute('code')];
    if (!roomId || !roomCode) return;
    const url = new URL(this.getAttribute('server') ?? '..', this.hasAttribute('server') ? document.baseURI : import.meta.url);
    const displayName = name ?? this.getAttribute('name') ?? undefined;
    const identity = this.hasAttribute('identity') ? () => this.getAttribute('identity') ?? '' : undefined;
    const ownerToken = this.getAttribute('owner-token') ?? undefined;
    const options = { roomId, roomCode, user: { displayName }, identity, ownerToken };
    this.room = clientOf(url.href).room(options);
    if (!this.room.state.user.displayName && !identity) {
      // A user keeps the name of its first action, so others see this one once it has a name.
      this.room.leave();
      this.room = clientOf(url.href).room({ ...options, isVisible: false });
    }
    this.#name.hidden = !!(this.room.state.user.displayName || identity);
    this.room.addEventListener('change', this.#schedule);
    this.#render();
  }

  #close() {
    this.room?.removeEventListener('change', this.#schedule);
    this.room?.leave();
    this.room = null;
    this.#notice = '';
    this.#rows.clear();
    this.#list.replaceChildren();
    this.#setContext(null, null);
  }

  #schedule = () => {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // Unlike a frame, a timer also runs in hidden tabs.
    setTimeout(() => {
      this.#isScheduled = false;
      this.#render();
    });
  };

  #render() {
    if (!this.room) return;
    const { state } = this.room;
    const { settings, userCount, typing, hasEarlier, connection, user } = state;
    const isOver = connection === 'ended' || connection === 'closed';
    this.#title.textContent = settings?.title ?? 'Chat';
    this.#people.textContent = userCount === 1 ? '1 person here' : `${userCount} people here`;
    this.#owner.hidden = !state.isOwner || isOver;
    setText(this.#status, statusOf(state) || this.#notice);
    const names = typing.slice(0, 3).map(({ displayName }) => displayName);
    this.#typing.textContent = names.length === 0 ? '' : `${names.join(', ')} typing…`;
    this.#earlier.hidden = !hasEarlier;
    this.#send.disabled = isOver;
    if (user.displayName) this.#name.hidden = true;
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    const isAtEnd = scrollHeight - clientHeight - scrollTop < END_DISTANCE;
    this.#renderRows(state);
    if (isAtEnd) this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** @param {RoomState} state */
  #renderRows(state) {
    const rows = new Map();
    for (const message of state.messages) {
      // A message keeps its row when it is accepted.
      const key = message.clientMessageId ?? message.id;
      const look = JSON.stringify([message, message.author.id === state.user.id, state.isOwner]);
      const known = this.#rows.get(key);
      rows.set(key, known?.look === look ? known : { look, row: messageRow(message, state, this.#actions) });
    }
    // A replaced row takes the focus along.
    const focused = this.#root.activeElement;
    const focusedKey = [...this.#rows].find(([, { row }]) => row.contains(focused))?.[0];
    for (const [key, { row }] of this.#rows) if (rows.get(key)?.row !== row) row.remove();
    this.#rows = rows;
    /** @type {Node | null} */
    let next = this.#list.firstChild;
    for (const { row } of rows.values()) {
      if (row === next) next = row.nextSibling;
      else this.#list.insertBefore(row, next);
    }
    if (focusedKey && !focused?.isConnected) this.#focusAgain(focusedKey, focused);
  }

  /**
   * Focuses the button of a row that has replaced another, or the list if there is none.
   *
   * @param {string} key
   * @param {Element | null} before
   */
  #focusAgain(key, before) {
    const action = before?.getAttribute('data-action');
    const buttons = [...(this.#rows.get(key)?.row.querySelectorAll('button') ?? [])];
    (buttons.find((button) => button.getAttribute('data-action') === action) ?? this.#log).focus();
  }

  /** @type {import('./element/message_row.js').RowActions} */
  #actions = {
    reply: (message) => this.#setContext(message, null),
    edit: (message) => this.#setContext(null, message),
    remove: (message) => this.#try((room) => room.remove(message.id)),
    ban: (message) => this.#try((room) => banAuthor(this.#root, room, message)),
    toggle: ({ id, myReactions }, emoji) =>
      this.#try((room) => (myReactions.includes(emoji) ? room.unreact(id, emoji) : room.react(id, emoji))),
    retry: ({ id }) => this.room?.retry(id),
    discard: ({ id }) => this.room?.discard(id),
  };

  /**
   * Shows what a text that is submitted now answers or replaces.
   *
   * @param {Message | null} replyTo
   * @param {Message | null} editing
   */
  #setContext(replyTo, editing) {
    if (editing) this.#text.value = editing.text ?? '';
    else if (this.#editing) this.#text.value = '';
    this.#replyTo = replyTo;
    this.#editing = editing;
    const label = replyTo ? `Reply to ${replyTo.author.displayName}` : 'Edit your message';
    const cancel = el('button', { type: 'button', onclick: () => this.#setContext(null, null) }, 'Cancel');
    this.#context.replaceChildren(...(replyTo || editing ? [label, cancel] : []));
    if (replyTo || editing) this.#text.focus();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    const text = this.#text.value.trim();
    if (!this.room || text === '') return;
    const editing = this.#editing;
    if (editing) {
      this.#try((room) => room.edit(editing.id, text));
    } else {
      const replyToId = this.#replyTo?.id;
      const name = this.#name.hidden ? '' : this.#name.value.trim();
      if (name) this.#open(name);
      this.room.send(text, { replyToId });
      this.#text.value = '';
    }
    this.#setContext(null, null);
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#text.focus();
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    if (event.isComposing) return;
    if (event.key === 'Escape') this.#setContext(null, null);
    if (event.key !== 'Enter' || event.shiftKey) return;
    event.preventDefault();
    this.#form.requestSubmit();
  }

  #loadEarlier() {
    const { scrollHeight } = this.#log;
    this.#try(async (room) => {
      await room.loadEarlier();
      this.#render();
      this.#log.scrollTop += this.#log.scrollHeight - scrollHeight;
    });
  }

  /** @param {(room: Room) => Promise<any>} action */
  async #try(action) {
    try {
      this.#notice = '';
      if (this.room) await action(this.room);
    } catch (error) {
      this.#show(error);
    }
    this.#render();
  }

  /** @param {unknown} error */
  #show = (error) => {
    this.#notice = /** @type {Error} */ (error).message;
    this.#render();
  };
}

/**
 * Announced to screen readers when it changes.
 *
 * @param {RoomState} state
 */
function statusOf({ connection, error, ban, settings, isOwner }) {
  if (connection === 'connecting') return 'Connecting…';
  if (connection === 'lost') return 'Connection lost. Trying again…';
  if (connection === 'ended') return 'This room has ended.';
  if (connection === 'closed') return error?.message ?? '';
  if (ban?.until) return `You cannot write until ${new Date(ban.until).toLocaleString()}.`;
  if (ban) return 'You cannot write in this room anymore.';
  if (settings?.locked && !isOwner) return 'Only the owner can write for now.';
  return '';
}

/**
 * @param {HTMLElement} element
 * @param {string} text
 */
function setText(element, text) {
  if (element.dataset.text === text) return;
  element.dataset.text = text;
  element.textContent = text;
}

customElements.define('live-chat', LiveChatElement);
