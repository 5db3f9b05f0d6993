// The screen of a room, which connects its history, its events, its people, and the user's own messages.

import { deleteMessage, editMessage } from './actions.js';
import { retry } from './backoff.js';
import { Banner } from './banner.js';
import { Composer } from './composer.js';
import { confirmDelete, shareDialog } from './dialogs.js';
import { announce, el, icon, ICONS } from './dom.js';
import { request, serverNow } from './graphql.js';
import { History } from './history.js';
import { currentUser } from './identity.js';
import { isCancel } from './keyboard.js';
import { roomName } from './names.js';
import { EARLIER_MESSAGES, ROOM, ROOM_STATE } from './operations.js';
import { Outbox } from './outbox.js';
import { People, viewersLabel } from './people.js';
import { forgetRoom, LOGO, rememberRoom, startPage, toSentence } from './start.js';
import { Stream } from './stream.js';
import { fullTime, onNewDay, timeLeft } from './time.js';
import { Timeline } from './timeline.js';

/** Interval at which a visible page requests the state of the room, in milliseconds. */
const REFRESH_INTERVAL = 10_000;

/** Enters a room. Returns its screen, or the start page with the reason why it cannot be entered. */
export async function enterRoom(room, signal, showStatus) {
  try {
    const onWait = (error, ms) => showStatus(`${toSentence(error.message)} Trying again in ${Math.ceil(ms / 1_000)} s…`);
    const { room: state } = await retry(() => request(ROOM, room), signal, onWait);
    rememberRoom(state);
    return new RoomScreen(state);
  } catch (error) {
    if (error.code === 'ROOM_NOT_FOUND') {
      forgetRoom(room.id);
      return startPage('This room has ended or does not exist. Rooms end after 24 hours.');
    }
    if (error.code === 'ROOM_CODE_INVALID') return startPage('The code in this link is wrong. Ask for the link again.', room);
    return startPage(toSentence(error.message));
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
  #leaving = new AbortController();
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
      changed: () => this.#timeline.scheduleRender(),
      sent: (message) => {
        this.#addMessage(message);
        this.#composer.showIdentity();
      },
      error: (error) => this.#handleSendError(error),
    });
    this.#timeline = new Timeline(this.#history, this.#outbox, {
      loadEarlier: () => this.#loadEarlier(),
      share: () => shareDialog(this.#room),
      edit: (message) => this.#timeline.edit(message),
      remove: (message) => this.#remove(message),
      save: (message, text, showStatus) => this.#save(message, text, showStatus),
      cancelEdit: () => this.#saving?.abort(),
      endEdit: () => this.#composer.focus(),
    });
    this.#composer = new Composer({
      send: (text) => {
        this.#outbox.add(text);
        this.#timeline.showEnd();
      },
      editLast: () => this.#timeline.edit(this.#history.latestOf(currentUser().userId)),
    });
    this.#people = new People(this.#room, () => this.#showPeople(false));
    this.#people.showCounts(state);
    this.#viewers.textContent = viewersLabel(state.viewerCount);
    this.element = this.#build();
    this.#start(state.cursor);
  }

  focus() {
    this.#timeline.showEnd();
    if (!matchMedia('(pointer: coarse)').matches) this.#composer.focus();
  }

  close() {
    this.#leaving.abort();
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
        el('div', { class: 'room-title' }, el('h1', {}, this.name), this.#time),
        this.#peopleButton, share),
      el('main', { class: 'conversation', 'aria-label': 'Chat' }, this.#banner.element, this.#timeline.element, this.#composer.element),
      this.#people.element,
    );
    screen.addEventListener('keydown', (event) => isCancel(event) && this.#showPeople(false));
    return screen;
  }

  #start(cursor) {
    this.#subscribe(cursor);
    this.#people.loadMore();
    this.#updateTimeLeft();
    this.#timers = [setInterval(() => this.#refresh(), REFRESH_INTERVAL), setInterval(() => this.#updateTimeLeft(), 15_000)];
    const { signal } = this.#leaving;
    document.addEventListener('visibilitychange', () => this.#refresh(), { signal });
    onNewDay(() => this.#timeline.scheduleRender(), signal);
    addEventListener('storage', () => this.#composer.showIdentity(), { signal });
    // Asks before the page is closed with unsent messages, which would be lost.
    addEventListener('beforeunload', (event) => !this.#outbox.isEmpty && event.preventDefault(), { signal });
  }

  #subscribe(cursor) {
    this.#stream = new Stream(this.#room, cursor, {
      event: ({ __typename, message }) => this.#addMessage(message, __typename),
      state: (state, error) => this.#updateConnection(state, error),
      end: (error) => this.#end(error),
    });
  }

  /** Adds a new or changed message, from an event of this type or from a response. */
  #addMessage(message, eventType) {
    this.#history.add(message);
    if (this.#people.add(message.author) && this.#banner.state === 'live') this.#refresh();
    if (message.clientMessageId && message.author.id === currentUser().userId) this.#outbox.confirm(message.clientMessageId);
    this.#timeline.scheduleRender();
    if (eventType === 'MessageSent' && message.author.id !== currentUser().userId && this.#banner.state === 'live') this.#announce(message);
  }

  #announce({ author, text, deletedAt }) {
    if (!deletedAt) announce(`${author.displayName}: ${text}`);
    if (!document.hidden) return;
    this.#unseen += 1;
    document.title = `(${this.#unseen}) ${this.title}`;
  }

  #updateConnection(state, error) {
    this.#banner.update(state, error);
    if (state !== 'live') return;
    this.#outbox.retryNow();
    this.#refresh();
  }

  /** Handles the end of the subscription. */
  async #end(error) {
    if (error?.code === 'CURSOR_INVALID') return this.#reload();
    const hasEnded = !error || error.code === 'ROOM_NOT_FOUND';
    if (hasEnded) forgetRoom(this.#room.id);
    this.#expiresAt = hasEnded ? new Date(serverNow()).toISOString() : this.#expiresAt;
    this.#outbox.close();
    this.#timers.forEach(clearInterval);
    this.#updateTimeLeft();
    this.#banner.end(hasEnded ? 'This room has ended, and nobody can enter it anymore.' : `New messages cannot be received. ${toSentence(error.message)}`);
    this.#composer.end(hasEnded ? 'This room has ended' : 'The room cannot be reached');
  }

  /** Loads the room again: the server has lost its last writes, so it no longer knows our cursor. */
  async #reload() {
    this.#banner.reload();
    try {
      const { room } = await retry(() => request(ROOM, this.#room), this.#leaving.signal);
      if (this.#leaving.signal.aborted) return;
      this.#history.reset(room.messages);
      this.#timeline.showEnd();
      this.#subscribe(room.cursor);
    } catch (error) {
      if (!this.#leaving.signal.aborted) this.#end(error);
    }
  }

  /** Returns whether messages were loaded. */
  async #loadEarlier() {
    const before = this.#history.earlierCursor;
    try {
      const { room } = await retry(() => request(EARLIER_MESSAGES, { ...this.#room, before }), this.#leaving.signal);
      // The history may have been reset in the meantime.
      if (before !== this.#history.earlierCursor) return false;
      this.#history.addEarlier(room.messages);
      return true;
    } catch {
      return false;
    }
  }

  async #save(message, text, showStatus) {
    this.#saving = new AbortController();
    const { signal } = this.#saving;
    try {
      this.#addMessage(await editMessage(this.#room, message, text, signal, () => showStatus('Waiting to save…')));
      return true;
    } catch (error) {
      if (!signal.aborted) showStatus(`Not saved: ${error.message}`);
      return false;
    }
  }

  async #remove(message) {
    if (!(await confirmDelete())) return;
    try {
      this.#addMessage(await deleteMessage(this.#room, message, this.#leaving.signal, () => this.#banner.notice('Waiting to delete…')));
      announce('Message deleted');
      this.#composer.focus();
    } catch (error) {
      // The message is already deleted: the response to an earlier try was lost.
      if (error.code !== 'MESSAGE_NOT_FOUND') this.#banner.notice(`Not deleted: ${error.message}`);
    }
  }

  #handleSendError(error) {
    if (error.code === 'TOKEN_INVALID') this.#banner.notice('The server no longer accepts this browser’s user. You continue as a new user.');
    this.#composer.showIdentity();
  }

  /** Requests the state of the room. Its cursor lets the stream notice a dead connection. */
  async #refresh() {
    if (document.hidden || this.#banner.state === 'ended') return;
    this.#unseen = 0;
    document.title = this.title;
    try {
      const { room } = await request(ROOM_STATE, this.#room);
      this.#viewers.textContent = viewersLabel(room.viewerCount);
      this.#people.showCounts(room);
      this.#stream.expectCursor(room.cursor);
    } catch {
      // The stream handles connection problems.
    }
  }

  #updateTimeLeft() {
    this.#time.textContent = timeLeft(this.#expiresAt, serverNow());
    this.#time.title = `Ends ${fullTime(this.#expiresAt)}`;
  }

  #showPeople(isOpen) {
    const isShown = this.element.classList.contains('with-people');
    if (isOpen === isShown) return;
    this.element.classList.toggle('with-people', isOpen);
    this.#peopleButton.setAttribute('aria-expanded', String(isOpen));
    (isOpen ? this.#people.close : this.#peopleButton).focus();
  }
}
