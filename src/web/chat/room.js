// A room: its history, its events, its people and one's own messages, brought together on one screen.

import { deleteMessage, editMessage } from './actions.js';
import { Banner } from './banner.js';
import { Composer } from './composer.js';
import { confirmDelete, shareDialog } from './dialogs.js';
import { announce, el, icon, ICONS } from './dom.js';
import { ask, serverNow } from './graphql.js';
import { History } from './history.js';
import { me } from './identity.js';
import { isCancel } from './keyboard.js';
import { roomName } from './names.js';
import { EARLIER, ROOM, STATE } from './operations.js';
import { Outbox } from './outbox.js';
import { persist } from './patience.js';
import { hereNow, People } from './people.js';
import { forgetRoom, LOGO, rememberRoom, startPage } from './start.js';
import { Stream } from './stream.js';
import { fullTime, onNewDay, timeLeft } from './time.js';
import { Timeline } from './timeline.js';

/** How often it is asked who is here, while somebody looks, in milliseconds. */
const LOOK_ROUND = 10_000;

/** Enters a room and gives its screen; the start page, with the reason, when there is no such room. */
export async function enterRoom(room, signal, told) {
  try {
    const wait = (refusal, ms) => told(`${refusal.message} Trying again in ${Math.ceil(ms / 1_000)} s…`);
    const { room: state } = await persist(() => ask(ROOM, room), signal, wait);
    rememberRoom(state);
    return new RoomScreen(state);
  } catch (refusal) {
    if (refusal.code === 'ROOM_NOT_FOUND') {
      forgetRoom(room.id);
      return startPage('This room is gone. Rooms live for 24 hours, and this one has ended or never was.');
    }
    if (refusal.code === 'ROOM_CODE_INVALID') return startPage('The code in this link does not open the room. Ask for the link again.', room);
    return startPage(refusal.message);
  }
}

class RoomScreen {
  #room;
  #expiresAt;
  #history = new History();
  #outbox;
  #timeline;
  #composer;
  #people;
  #stream;
  #left = new AbortController();
  #timers = [];
  #unseen = 0;
  #banner = new Banner();
  #peopleButton;
  #saving;
  #time = el('span', { class: 'time-left' });
  #viewers = el('span', {}, '…');

  constructor(state) {
    this.#room = { id: state.id, code: state.code };
    this.#expiresAt = state.expiresAt;
    this.name = roomName(state.id);
    this.title = `${this.name} · LiveChat`;
    this.#history.reset(state.messages);
    this.#outbox = new Outbox(this.#room, {
      changed: () => this.#timeline.plan(),
      sent: (message) => {
        this.#take(message);
        this.#composer.showWho();
      },
      refused: (refusal) => this.#refused(refusal),
    });
    this.#timeline = new Timeline(this.#history, this.#outbox, {
      earlier: () => this.#earlier(),
      share: () => shareDialog(this.#room),
      edit: (message) => this.#timeline.edit(message),
      remove: (message) => this.#remove(message),
      save: (message, text, tell) => this.#save(message, text, tell),
      cancelled: () => this.#saving?.abort(),
      edited: () => this.#composer.focus(),
    });
    this.#composer = new Composer({
      send: (text) => {
        this.#outbox.add(text);
        this.#timeline.toEnd();
      },
      editLast: () => this.#timeline.edit(this.#history.latestOf(me().userId)),
    });
    this.#people = new People(this.#room, () => this.#showPeople(false));
    this.#people.count(state);
    this.#viewers.textContent = hereNow(state.viewerCount);
    this.element = this.#build();
    this.#begin(state.cursor);
  }

  focus() {
    this.#timeline.toEnd();
    if (!matchMedia('(pointer: coarse)').matches) this.#composer.focus();
  }

  close() {
    this.#left.abort();
    this.#stream.close();
    this.#outbox.close();
    this.#timeline.close();
    this.#timers.forEach(clearInterval);
  }

  #build() {
    this.#peopleButton = el(
      'button',
      { type: 'button', class: 'people-button', 'aria-expanded': 'false', 'aria-controls': 'people', onclick: () => this.#showPeople(!this.element.classList.contains('with-people')) },
      el('span', { class: 'dot' }), this.#viewers,
    );
    const share = el('button', { type: 'button', class: 'primary share', 'aria-label': 'Invite people', onclick: () => shareDialog(this.#room) }, icon(ICONS.share), el('span', {}, 'Invite'));
    const screen = el(
      'div',
      { class: 'room' },
      el('header', { class: 'bar' },
        el('a', { class: 'home', href: '#', 'aria-label': 'LiveChat, start page', title: 'Start page' }, icon(LOGO)),
        el('div', { class: 'what' }, el('h1', {}, this.name), this.#time),
        this.#peopleButton, share),
      el('main', { class: 'talk', 'aria-label': 'Chat' }, this.#banner.element, this.#timeline.element, this.#composer.element),
      this.#people.element,
    );
    screen.addEventListener('keydown', (event) => isCancel(event) && this.#showPeople(false));
    return screen;
  }

  #begin(cursor) {
    this.#follow(cursor);
    this.#people.load();
    this.#tick();
    this.#timers = [setInterval(() => this.#look(), LOOK_ROUND), setInterval(() => this.#tick(), 15_000)];
    const { signal } = this.#left;
    document.addEventListener('visibilitychange', () => this.#look(), { signal });
    onNewDay(() => this.#timeline.plan(), signal);
    addEventListener('storage', () => this.#composer.showWho(), { signal });
    // Whoever closes the page loses what is not sent yet, and is asked before.
    addEventListener('beforeunload', (event) => !this.#outbox.isEmpty && event.preventDefault(), { signal });
  }

  #follow(cursor) {
    this.#stream = new Stream(this.#room, cursor, {
      event: ({ __typename, message }) => this.#take(message, __typename),
      state: (state, refusal) => this.#connection(state, refusal),
      over: (refusal) => this.#over(refusal),
    });
  }

  /** A message as it is now, from an event or from an answer. */
  #take(message, what) {
    this.#history.take(message);
    if (this.#people.heard(message.author) && this.#banner.state === 'live') this.#look();
    if (message.clientMessageId && message.author.id === me().userId) this.#outbox.arrived(message.clientMessageId);
    this.#timeline.plan();
    if (what === 'MessageSent' && message.author.id !== me().userId && this.#banner.state === 'live') this.#tell(message);
  }

  #tell({ author, text, deletedAt }) {
    if (!deletedAt) announce(`${author.displayName}: ${text}`);
    if (!document.hidden) return;
    this.#unseen += 1;
    document.title = `(${this.#unseen}) ${this.title}`;
  }

  #connection(state, refusal) {
    this.#banner.show(state, refusal);
    if (state !== 'live') return;
    this.#outbox.wake();
    this.#look();
  }

  /** The subscription is over, and nobody else will come back for it. */
  async #over(refusal) {
    if (refusal?.code === 'CURSOR_INVALID') return this.#reload();
    const hasEnded = !refusal || refusal.code === 'ROOM_NOT_FOUND';
    if (hasEnded) forgetRoom(this.#room.id);
    this.#expiresAt = hasEnded ? new Date(serverNow()).toISOString() : this.#expiresAt;
    this.#outbox.close();
    this.#timers.forEach(clearInterval);
    this.#tick();
    this.#banner.end(hasEnded ? 'This room has ended, and nobody can enter it any more.' : `The room cannot be followed: ${refusal.message}.`);
    this.#composer.end(hasEnded ? 'This room has ended' : 'The room cannot be reached');
  }

  /** The server does not know our position any more, because it lost its last writes: the history is read anew. */
  async #reload() {
    this.#banner.reload();
    try {
      const { room } = await persist(() => ask(ROOM, this.#room), this.#left.signal);
      if (this.#left.signal.aborted) return;
      this.#history.reset(room.messages);
      this.#timeline.toEnd();
      this.#follow(room.cursor);
    } catch (refusal) {
      if (!this.#left.signal.aborted) this.#over(refusal);
    }
  }

  async #earlier() {
    const before = this.#history.earlierCursor;
    try {
      const { room } = await persist(() => ask(EARLIER, { ...this.#room, before }), this.#left.signal);
      // While it was asked for, the history may have begun anew.
      if (before !== this.#history.earlierCursor) return false;
      this.#history.addEarlier(room.messages);
      return true;
    } catch {
      return false;
    }
  }

  async #save(message, text, tell) {
    this.#saving = new AbortController();
    const { signal } = this.#saving;
    try {
      this.#take(await editMessage(this.#room, message, text, signal, () => tell('Waiting to save…')));
      return true;
    } catch (refusal) {
      if (!signal.aborted) tell(`Not saved: ${refusal.message}`);
      return false;
    }
  }

  async #remove(message) {
    if (!(await confirmDelete())) return;
    try {
      this.#take(await deleteMessage(this.#room, message, this.#left.signal, () => this.#banner.notice('Waiting to delete…')));
      announce('Message deleted');
      this.#composer.focus();
    } catch (refusal) {
      // It is not there any more, as was wanted: the answer to an earlier try was lost.
      if (refusal.code !== 'MESSAGE_NOT_FOUND') this.#banner.notice(`Not deleted: ${refusal.message}`);
    }
  }

  #refused(refusal) {
    if (refusal.code === 'TOKEN_INVALID') this.#banner.notice('The server does not know this browser any more. You go on as somebody new.');
    this.#composer.showWho();
  }

  /** Asks who is here. Tells the stream how far the room is, so that a connection that died in silence is noticed. */
  async #look() {
    if (document.hidden || this.#banner.state === 'ended') return;
    this.#unseen = 0;
    document.title = this.title;
    try {
      const { room } = await ask(STATE, this.#room);
      this.#viewers.textContent = hereNow(room.viewerCount);
      this.#people.count(room);
      this.#stream.expect(room.cursor);
    } catch {
      // The stream notices what matters.
    }
  }

  #tick() {
    this.#time.textContent = timeLeft(this.#expiresAt, serverNow());
    this.#time.title = `Ends ${fullTime(this.#expiresAt)}`;
  }

  #showPeople(isWanted) {
    const isShown = this.element.classList.contains('with-people');
    if (isWanted === isShown) return;
    this.element.classList.toggle('with-people', isWanted);
    this.#peopleButton.setAttribute('aria-expanded', String(isWanted));
    (isWanted ? this.#people.close : this.#peopleButton).focus();
  }
}
