// The list of messages on the screen: a window over the history that moves with scrolling.
//
// The page has at most MAX_ROWS messages, however long the history. Scrolling up adds earlier messages above and removes later
// ones below, and the other way round. The visible messages do not move.

import { el, icon, ICONS } from './dom.js';
import { editingRow } from './editing.js';
import { KeyedList } from './keyed_list.js';
import { dayRow, emptyRoom, messageRow, noteOf, pendingRow } from './message.js';
import { lookOfQuote } from './quote_line.js';
import { navigateRows } from './row_navigation.js';
import { dayName, dayOf } from './time.js';

/** Messages that are added at a time. */
const STEP = 50;

const MAX_ROWS = 300;

/** Distance from an end of the list at which more messages are added, in pixels. */
const LOAD_DISTANCE = 800;

/** Up to this distance from the end, the list scrolls along with new messages, in pixels. */
const END_DISTANCE = 60;

/** Messages of one author within this time are grouped, in milliseconds. */
const GROUP_WITHIN = 5 * 60_000;

/**
 * Shows `history`. `view.user()` returns the user, `view.rights()` `{ isOwner, canAct }`, `view.reactions(message)` and
 * `view.quote(messageId)` what a row shows besides its message. Calls `on.loadEarlier()`, `on.share()`,
 * `on.save(message, text, showStatus)`, `on.cancelEdit()`, `on.endEdit()`, `on.retry(id)`, `on.discard(id)`, and those of rows.
 */
export class Timeline {
  #history;
  #view;
  #on;
  #from = 0;
  #to = -1;
  #atEnd = true;
  #lastRead = -1;
  #editing = null;
  #isLoading = false;
  #renderTimer = null;
  #list = new KeyedList(el('ol', { class: 'rows' }));
  #updateTabStops = navigateRows(this.#list.element);
  #top = el('p', { class: 'top' });
  #empty;
  #log;
  #more;

  constructor(history, view, on) {
    this.#history = history;
    this.#view = view;
    this.#on = { ...on, restoreFocus: (message, part) => this.#list.focusPart(message.id, part) };
    this.#empty = emptyRoom(on.share);
    // Screen readers read new messages through `announce`, not the messages that scrolling adds.
    this.#log = el(
      'div',
      { class: 'log', role: 'log', 'aria-live': 'off', 'aria-label': 'Messages', tabindex: 0, onscroll: () => this.#handleScroll() },
      this.#top,
      this.#list.element,
      this.#empty,
    );
    this.#more = el('button', { type: 'button', class: 'more', hidden: true, onclick: () => this.showEnd() });
    this.element = el('div', { class: 'timeline' }, this.#log, this.#more);
    this.resized = new ResizeObserver(() => this.#atEnd && this.#scrollToEnd());
    this.resized.observe(this.#log);
  }

  /** Shows the end of the history. */
  showEnd() {
    this.#atEnd = true;
    this.#to = this.#history.newest;
    this.#from = Math.max(this.#history.lowest, this.#to - STEP + 1);
    this.render();
    this.#scrollToEnd();
  }

  /** Shows a message of the history, and moves the focus to it. */
  showMessage({ id, index }) {
    if (index < this.#from || index > this.#to) {
      this.#from = Math.max(this.#history.lowest, index - STEP / 2);
      this.#to = Math.min(this.#history.newest, this.#from + STEP - 1);
    }
    this.#atEnd = false;
    this.render();
    const row = this.#list.elementOf(id);
    row.scrollIntoView({ block: 'center' });
    row.tabIndex = -1;
    row.focus({ preventScroll: true });
    row.classList.remove('found');
    // Restarts the animation if the message was shown before.
    requestAnimationFrame(() => row.classList.add('found'));
  }

  /** Renders soon, once for several changes. */
  scheduleRender() {
    this.#renderTimer ??= setTimeout(() => this.render(), 16);
  }

  edit(message) {
    this.#editing = message?.index ?? null;
    this.render();
  }

  close() {
    clearTimeout(this.#renderTimer);
    this.resized.disconnect();
  }

  render() {
    clearTimeout(this.#renderTimer);
    this.#renderTimer = null;
    const history = this.#history;
    if (this.#atEnd) {
      this.#to = history.newest;
      this.#from = Math.max(history.lowest, this.#from, this.#to - MAX_ROWS + 1);
    } else if (history.newest - this.#from < MAX_ROWS) {
      this.#to = history.newest;
    }
    const isEmpty = history.isEmpty && history.pending.length === 0;
    this.#empty.hidden = !isEmpty;
    this.#top.hidden = isEmpty;
    this.#updateTop();
    this.#withoutScrolling(() => this.#replace(this.#wantedRows()));
    if (this.#atEnd) {
      this.#lastRead = history.newest;
      this.#scrollToEnd();
    }
    this.#updateMoreButton();
    if (!this.#isLoading && this.#log.scrollTop < LOAD_DISTANCE) this.#handleScroll();
  }

  /** Returns the rows to show. A row is recreated with `make` only if its `look` has changed. */
  #wantedRows() {
    const rows = [];
    const { id: userId } = this.#view.user();
    const rights = this.#view.rights();
    let previous = null;
    const add = (author, at, key, look, make) => {
      if (previous === null || dayOf(previous.at) !== dayOf(at)) {
        rows.push({ key: `day ${dayOf(at)}`, look: dayName(at), make: () => dayRow(dayName(at)) });
        previous = null;
      }
      const isGrouped = previous?.author === author && Date.parse(at) - Date.parse(previous.at) < GROUP_WITHIN;
      rows.push({ key, look: `${isGrouped} ${look}`, make: () => make(isGrouped) });
      previous = { author, at };
    };
    for (let index = this.#from; index <= this.#to; index += 1) {
      const message = this.#history.at(index);
      if (!message) continue;
      const isMine = message.author.id === userId;
      const isEdited = this.#editing === index && isMine && !message.deletedAt;
      const reactions = this.#view.reactions(message);
      const quote = message.replyToId && !message.deletedAt ? this.#view.quote(message.replyToId) : null;
      const shown = [isMine, message.editedAt, message.deletedAt, rights, reactions, lookOfQuote(quote)];
      const look = isEdited ? 'editing' : JSON.stringify(shown);
      add(message.author.id, message.createdAt, message.id, look, (isGrouped) =>
        isEdited
          ? this.#editor(message, { isGrouped, isMine })
          : messageRow(message, { isGrouped, isMine, ...rights, reactions, quote, userId }, this.#on),
      );
    }
    if (this.#to === this.#history.newest) {
      for (const message of this.#history.pending) {
        const { id, replyToId, status, createdAt } = message;
        const quote = replyToId ? this.#view.quote(replyToId) : null;
        const on = { retry: () => this.#on.retry(id), discard: () => this.#on.discard(id) };
        add(userId, createdAt, id, `${status} ${noteOf(message)}`, (isGrouped) => pendingRow(message, { isGrouped, quote }, on));
      }
    }
    return rows;
  }

  #editor(message, look) {
    const done = () => {
      this.edit(null);
      this.#on.endEdit();
    };
    return editingRow(message, look, {
      cancel: () => {
        this.#on.cancelEdit();
        done();
      },
      save: async (text, showStatus) => {
        if (await this.#on.save(message, text, showStatus)) done();
      },
    });
  }

  #replace(rows) {
    this.#list.replace(rows);
    this.#updateTabStops();
  }

  /** Changes the list without moving the visible messages. Day separators may move. */
  #withoutScrolling(change) {
    const { top } = this.#log.getBoundingClientRect();
    const messages = [...this.#list.element.querySelectorAll(':scope > .row')];
    const visible = messages.filter((row) => row.getBoundingClientRect().bottom > top);
    const positions = visible.slice(0, 40).map((row) => [row, row.getBoundingClientRect().top]);
    change();
    const anchor = positions.find(([row]) => row.isConnected);
    if (anchor) this.#log.scrollTop += anchor[0].getBoundingClientRect().top - anchor[1];
  }

  #scrollToEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  #handleScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    const below = scrollHeight - clientHeight - scrollTop;
    const wasAtEnd = this.#atEnd;
    this.#atEnd = below < END_DISTANCE && this.#to === this.#history.newest;
    if (scrollTop < LOAD_DISTANCE) this.#showEarlier();
    else if (below < LOAD_DISTANCE && this.#to < this.#history.newest) this.#showLater();
    if (this.#atEnd === wasAtEnd) return;
    if (this.#atEnd) this.#lastRead = this.#history.newest;
    this.#updateMoreButton();
  }

  #showEarlier() {
    if (this.#from > this.#history.lowest) {
      this.#from = Math.max(this.#history.lowest, this.#from - STEP);
      if (this.#to - this.#from >= MAX_ROWS) {
        this.#to = this.#from + MAX_ROWS - 1;
        this.#atEnd = false;
      }
      this.#updateRows();
    } else if (this.#history.hasEarlier && !this.#isLoading) {
      this.#loadEarlier();
    }
  }

  async #loadEarlier() {
    this.#isLoading = true;
    const isLoaded = await this.#on.loadEarlier();
    this.#isLoading = false;
    if (isLoaded) this.#handleScroll();
  }

  #showLater() {
    this.#to = Math.min(this.#history.newest, this.#to + STEP);
    this.#from = Math.max(this.#from, this.#to - MAX_ROWS + 1);
    this.#updateRows();
  }

  #updateRows() {
    this.#withoutScrolling(() => this.#replace(this.#wantedRows()));
    this.#updateTop();
    if (this.#atEnd) this.#scrollToEnd();
  }

  #updateTop() {
    const hasMore = this.#history.hasEarlier || this.#from > this.#history.lowest;
    this.#top.textContent = hasMore ? 'Loading earlier messages…' : 'This is the start of the room.';
  }

  #updateMoreButton() {
    const unread = this.#history.newest - this.#lastRead;
    const label = unread < 1 ? 'Latest messages' : unread === 1 ? '1 new message' : `${unread > 99 ? '99+' : unread} new messages`;
    this.#more.replaceChildren(icon(ICONS.down), label);
    this.#more.hidden = this.#atEnd;
  }
}
