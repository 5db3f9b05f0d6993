// The list of messages on the screen: a window over the history that moves with scrolling.
//
// However long the room, there are at most MOST messages in the page. Going up, earlier ones come in above and later ones
// leave below, and the other way round; what stands on the screen stays where it is.

import { el, icon, ICONS } from './dom.js';
import { me } from './identity.js';
import { dayRow, editingRow, emptyRoom, messageRow, pendingRow } from './message.js';
import { dayName, dayOf } from './time.js';

const STEP = 50;
const MOST = 300;

/** How close to an end of the list the next messages are brought in, in pixels. */
const NEAR = 800;

/** Who scrolled up by fewer pixels is still at the end, and sees what comes. */
const AT_END = 60;

/** Messages of one author within this time stand together, in milliseconds. */
const TOGETHER = 5 * 60_000;

/** Shows `history` and `outbox`. `on`: `earlier()`, `share()`, `edit`, `remove`, `save(message, text, tell)`. */
export class Timeline {
  #history;
  #outbox;
  #on;
  #rows = new Map();
  #from = 0;
  #to = -1;
  #atEnd = true;
  #read = -1;
  #editing = null;
  #isLoading = false;
  #planned = null;
  #list = el('ol', { class: 'rows' });
  #top = el('p', { class: 'top' });
  #empty;
  #log;
  #more;

  constructor(history, outbox, on) {
    this.#history = history;
    this.#outbox = outbox;
    this.#on = on;
    this.#empty = emptyRoom(on.share);
    // Read aloud is what arrives, by the announcer of the page; not what scrolling brings in.
    this.#log = el(
      'div',
      { class: 'log', role: 'log', 'aria-live': 'off', 'aria-label': 'Messages', tabindex: 0, onscroll: () => this.#scrolled() },
      this.#top,
      this.#list,
      this.#empty,
    );
    this.#more = el('button', { type: 'button', class: 'more', hidden: true, onclick: () => this.toEnd() });
    this.element = el('div', { class: 'timeline' }, this.#log, this.#more);
    this.resized = new ResizeObserver(() => this.#atEnd && this.#scrollToEnd());
    this.resized.observe(this.#log);
  }

  /** Shows the end of the history, as after entering. */
  toEnd() {
    this.#atEnd = true;
    this.#to = this.#history.newest;
    this.#from = Math.max(this.#history.lowest, this.#to - STEP + 1);
    this.render();
    this.#scrollToEnd();
  }

  /** Shows what has changed, soon; many changes at once cost as much as one. */
  plan() {
    this.#planned ??= setTimeout(() => this.render(), 16);
  }

  edit(message) {
    this.#editing = message?.index ?? null;
    this.render();
  }

  close() {
    clearTimeout(this.#planned);
    this.resized.disconnect();
  }

  render() {
    clearTimeout(this.#planned);
    this.#planned = null;
    const history = this.#history;
    if (this.#atEnd) {
      this.#to = history.newest;
      this.#from = Math.max(history.lowest, this.#from, this.#to - MOST + 1);
    } else if (history.newest - this.#from < MOST) {
      this.#to = history.newest;
    }
    const isEmpty = history.isEmpty && this.#outbox.isEmpty;
    this.#empty.hidden = !isEmpty;
    this.#top.hidden = isEmpty;
    this.#nameTop();
    this.#keepingPlace(() => this.#replace(this.#wanted()));
    if (this.#atEnd) {
      this.#read = history.newest;
      this.#scrollToEnd();
    }
    this.#showMore();
    if (!this.#isLoading && this.#log.scrollTop < NEAR) this.#scrolled();
  }

  /** What should be in the list: key, what it looks like, and how to make it. */
  #wanted() {
    const rows = [];
    const user = me();
    let before = null;
    const add = (author, at, key, look, make) => {
      if (before === null || dayOf(before.at) !== dayOf(at)) {
        rows.push({ key: `day ${dayOf(at)}`, look: dayName(at), make: () => dayRow(dayName(at)) });
        before = null;
      }
      const joins = before?.author === author && Date.parse(at) - Date.parse(before.at) < TOGETHER;
      rows.push({ key, look: `${joins} ${look}`, make: () => make(joins) });
      before = { author, at };
    };
    for (let index = this.#from; index <= this.#to; index += 1) {
      const message = this.#history.at(index);
      if (!message) continue;
      const mine = message.author.id === user.userId;
      const isEdited = this.#editing === index && mine && !message.deletedAt;
      const look = isEdited ? 'editing' : `${mine} ${message.editedAt} ${message.deletedAt}`;
      add(message.author.id, message.createdAt, message.id, look, (joins) =>
        isEdited ? this.#editor(message, { joins, mine }) : messageRow(message, { joins, mine }, this.#on),
      );
    }
    if (this.#to === this.#history.newest) {
      for (const entry of this.#outbox.entries) {
        const at = new Date(entry.at).toISOString();
        add(user.userId, at, entry.id, `${entry.state} ${entry.note}`, (joins) =>
          pendingRow(entry, { joins }, user, { retry: () => this.#outbox.retry(entry), discard: () => this.#outbox.discard(entry) }),
        );
      }
    }
    return rows;
  }

  #editor(message, look) {
    const done = () => {
      this.edit(null);
      this.#on.edited();
    };
    return editingRow(message, look, {
      cancel: () => {
        this.#on.cancelled();
        done();
      },
      save: async (text, tell) => {
        if (await this.#on.save(message, text, tell)) done();
      },
    });
  }

  #replace(rows) {
    const kept = new Map();
    for (const { key, look, make } of rows) {
      const known = this.#rows.get(key);
      kept.set(key, known?.look === look ? known : { look, element: make() });
    }
    for (const [key, { element }] of this.#rows) if (kept.get(key)?.element !== element) element.remove();
    this.#rows = kept;
    let next = this.#list.firstChild;
    for (const { element } of kept.values()) {
      if (element === next) next = next.nextSibling;
      else this.#list.insertBefore(element, next);
    }
  }

  /** Changes the list so that what is on the screen does not move, but for the day, which stands above its first message. */
  #keepingPlace(change) {
    const { top } = this.#log.getBoundingClientRect();
    const messages = [...this.#list.querySelectorAll(':scope > .row')];
    const stays = messages.filter((row) => row.getBoundingClientRect().bottom > top);
    const places = stays.slice(0, 40).map((row) => [row, row.getBoundingClientRect().top]);
    change();
    const place = places.find(([row]) => row.isConnected);
    if (place) this.#log.scrollTop += place[0].getBoundingClientRect().top - place[1];
  }

  #scrollToEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    const below = scrollHeight - clientHeight - scrollTop;
    const wasAtEnd = this.#atEnd;
    this.#atEnd = below < AT_END && this.#to === this.#history.newest;
    if (scrollTop < NEAR) this.#up();
    else if (below < NEAR && this.#to < this.#history.newest) this.#down();
    if (this.#atEnd === wasAtEnd) return;
    if (this.#atEnd) this.#read = this.#history.newest;
    this.#showMore();
  }

  #up() {
    if (this.#from > this.#history.lowest) {
      this.#from = Math.max(this.#history.lowest, this.#from - STEP);
      if (this.#to - this.#from >= MOST) {
        this.#to = this.#from + MOST - 1;
        this.#atEnd = false;
      }
      this.#show();
    } else if (this.#history.hasEarlier && !this.#isLoading) {
      this.#load();
    }
  }

  async #load() {
    this.#isLoading = true;
    const more = await this.#on.earlier();
    this.#isLoading = false;
    if (more) this.#scrolled();
  }

  #down() {
    this.#to = Math.min(this.#history.newest, this.#to + STEP);
    this.#from = Math.max(this.#from, this.#to - MOST + 1);
    this.#show();
  }

  #show() {
    this.#keepingPlace(() => this.#replace(this.#wanted()));
    this.#nameTop();
    if (this.#atEnd) this.#scrollToEnd();
  }

  #nameTop() {
    const hasMore = this.#history.hasEarlier || this.#from > this.#history.lowest;
    this.#top.textContent = hasMore ? 'Loading earlier messages…' : 'This is where the room begins.';
  }

  #showMore() {
    const unread = this.#history.newest - this.#read;
    const label = unread < 1 ? 'Latest messages' : unread === 1 ? '1 new message' : `${unread > 99 ? '99+' : unread} new messages`;
    this.#more.replaceChildren(icon(ICONS.down), label);
    this.#more.hidden = this.#atEnd;
  }
}
