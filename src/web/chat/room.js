// The screen of a room: shows the state of the client's room, and passes on what the user does.

import { Attention } from './attention.js';
import { Banner } from './banner.js';
import { CatchUp } from './catch_up.js';
import { serverNow } from './client.js';
import { Composer } from './composer.js';
import { shareDialog } from './dialogs.js';
import { el } from './dom.js';
import { History } from './history.js';
import { isCancel } from './keyboard.js';
import { Membership } from './membership.js';
import { messageDialog } from './message_dialog.js';
import { Moderation } from './moderation.js';
import { inventName, roomName } from './names.js';
import { OwnMessages } from './own_messages.js';
import { People } from './people.js';
import { Quotes } from './quotes.js';
import { Reactions } from './reactions.js';
import { RoomBar } from './room_bar.js';
import { forgetRoom, rememberRoom } from './rooms.js';
import { toSentence } from './start.js';
import { cut, limitOf } from './text.js';
import { onNewDay } from './time.js';
import { Timeline } from './timeline.js';
import { TypingLine } from './typing_line.js';
import { WriteAccess } from './write_access.js';

/** A jump to a message loads at most this many earlier messages. A message before them is shown in a dialog. */
const MAX_JUMP = 500;

/** Shows `room`, which the client has joined, and whose `key` is `{ id, code }`. */
export class RoomScreen {
  #room;
  #key;
  /** The state of the room that is shown. */
  #shown;
  #history;
  #quotes;
  #leaving = new AbortController();
  #banner = new Banner();
  #typingLine = new TypingLine();
  #catchUp;
  #membership;
  #timeline;
  #composer;
  #people;
  #ownMessages;
  #moderation;
  #reactions;
  #access;
  #bar;
  #timer;
  #attention = new Attention();
  #endedByOwner = false;

  constructor(room, key) {
    const { signal } = this.#leaving;
    this.#room = room;
    this.#key = key;
    this.#setName(room.state.user.displayName ?? inventName());
    this.#shown = { ...room.state, connection: 'connecting' };
    const { isOwner, settings, expiresAt, user } = this.#shown;
    this.#history = new History(room);
    this.#catchUp = new CatchUp(room, key, signal);
    this.#moderation = isOwner ? new Moderation(room, { problem: (sentence) => this.#banner.notice(sentence) }) : null;
    this.#access = new WriteAccess(settings, isOwner, (access) => this.#showAccess(access));
    this.#membership = new Membership(room, {
      joined: () => this.#access.setBan(null),
      denied: (error) => this.#handleDenial(error),
    });
    this.#reactions = new Reactions(room, {
      join: () => this.#membership.join(),
      changed: () => this.#timeline.scheduleRender(),
      error: (error) => this.#handleDenial(error, 'Reaction not saved'),
    });
    this.#ownMessages = new OwnMessages(room, {
      deleted: () => this.#composer.focus(),
      notice: (sentence) => this.#banner.notice(sentence),
    });
    this.#quotes = new Quotes(room, this.#history, () => this.#timeline.scheduleRender());
    this.#timeline = this.#createTimeline();
    this.#composer = new Composer(user, this.#typingLine.element, {
      send: (text, replyToId) => this.#send(text, replyToId),
      typing: () => room.typing(),
      editLast: () => this.#access.canAct && this.#timeline.edit(this.#history.latestOf(this.#userId)),
      named: (name) => this.#setName(name),
      nameChosen: () => this.#membership.join(),
    });
    this.#people = new People(key, this.#shown, isOwner, {
      close: () => this.#showPeople(false),
      ban: (user) => this.#moderation.ban(user),
    });
    this.#bar = new RoomBar(expiresAt, isOwner, {
      share: () => shareDialog(key),
      settings: () => this.#moderation.changeSettings(),
      togglePeople: () => this.#showPeople(!this.element.classList.contains('with-people')),
    });
    this.element = el(
      'div',
      { class: 'room' },
      this.#bar.element,
      el('main', { class: 'conversation', 'aria-label': 'Chat' }, this.#banner.element, this.#timeline.element, this.#composer.element),
      this.#people.element,
    );
    this.element.addEventListener('keydown', (event) => isCancel(event) && this.#showPeople(false));
    this.#start();
  }

  /** The title of the document. */
  get title() {
    return `${this.#name} · LiveChat`;
  }

  /** The screen is shown. */
  focus() {
    this.#attention.setTitle(this.title);
    this.#timeline.showEnd();
    if (!matchMedia('(pointer: coarse)').matches) this.#composer.focus();
  }

  close() {
    this.#leaving.abort();
    this.#room.leave();
    this.#ownMessages.cancelSave();
    this.#timeline.close();
    this.#access.close();
    clearInterval(this.#timer);
  }

  get #name() {
    return this.#shown.settings.title ?? roomName(this.#key.id);
  }

  get #userId() {
    return this.#room.state.user.id;
  }

  get #isEnded() {
    return this.#banner.state === 'ended';
  }

  #createTimeline() {
    const view = {
      user: () => this.#room.state.user,
      rights: () => ({ isOwner: Boolean(this.#moderation), canAct: this.#access.canAct, isEnded: this.#isEnded }),
      reactions: (message) => this.#reactions.of(message),
      quote: (id) => this.#quotes.find(id),
    };
    return new Timeline(this.#history, view, {
      loadEarlier: () => this.#loadEarlier(),
      share: () => shareDialog(this.#key),
      edit: (message) => this.#timeline.edit(message),
      reply: (message) => this.#composer.replyTo(message),
      jump: (id) => this.#jump(id),
      toggleReaction: ({ id }, emoji) => this.#reactions.toggle(this.#history.byId(id), emoji),
      remove: (message) => this.#ownMessages.remove(message),
      removeAsOwner: (message) => this.#moderation.removeMessage(message),
      ban: (user) => this.#moderation.ban(user),
      save: (message, text, showStatus) => this.#ownMessages.save(message, text, showStatus),
      cancelEdit: () => this.#ownMessages.cancelSave(),
      endEdit: () => this.#composer.focus(),
      retry: (id) => this.#isEnded || this.#room.retry(id),
      discard: (id) => this.#room.discard(id),
    });
  }

  #start() {
    const { signal } = this.#leaving;
    const room = this.#room;
    this.#applySettings();
    this.#noteLastSent();
    this.#bar.showViewers(this.#shown.viewerCount);
    this.#people.show(this.#shown);
    this.#people.loadMore();
    room.addEventListener('change', () => this.#update(), { signal });
    room.addEventListener('event', ({ detail }) => this.#handleEvent(detail), { signal });
    this.#update();
    // A new user joins with a name of its choice.
    if (room.state.user.isKnown) this.#membership.join();
    this.#timer = setInterval(() => this.#bar.updateTimeLeft(), 15_000);
    document.addEventListener('visibilitychange', () => document.hidden || this.#attention.noteSeen(), { signal });
    onNewDay(() => this.#timeline.scheduleRender(), signal);
    // Asks before the page is closed with unsent messages, which would be lost.
    const hasUnsent = () => !this.#isEnded && this.#history.pending.length > 0;
    addEventListener('beforeunload', (event) => hasUnsent() && event.preventDefault(), { signal });
  }

  /** Shows what has changed in the state of the room. */
  #update() {
    const before = this.#shown;
    const now = this.#room.state;
    this.#shown = now;
    const isOther = (name) => now[name] !== before[name];
    if (isOther('settings')) this.#applySettings();
    if (now.ban && isOther('ban')) this.#access.setBan(now.ban);
    if (JSON.stringify(now.user) !== JSON.stringify(before.user)) this.#updateUser(now.user, before.user);
    if (isOther('viewerCount')) this.#bar.showViewers(now.viewerCount);
    if (['people', 'userCount', 'viewerCount'].some(isOther)) this.#people.show(now);
    this.#typingLine.show(now.typing);
    if (isOther('connection') || isOther('error')) this.#updateConnection(now, before.connection);
    this.#timeline.scheduleRender();
  }

  #updateUser(now, before) {
    const isNew = now.id !== before.id;
    if (isNew) this.#banner.notice('The server no longer accepts this browser’s user. You continue as a new user.');
    // The user may have written here, or in another tab.
    if (now.isKnown && (isNew || !before.isKnown) && this.#access.canAct) this.#membership.join();
    this.#composer.showUser(now);
    this.#people.show(this.#shown);
  }

  #handleEvent({ __typename, message, user }) {
    if (__typename === 'RoomEnded') this.#endedByOwner = true;
    // The ban may have been that of another user with the same address. Then only joining shows whether it is lifted.
    if (__typename === 'UserUnbanned' && (user.id === this.#userId || this.#access.isBanned)) this.#membership.rejoin();
    if (__typename === 'RoomReloaded') this.#handleReload();
    if (!message) return;
    const isMine = message.author.id === this.#userId;
    this.#people.add(message.author);
    this.#quotes.update(message);
    if (message.deletedAt) this.#composer.forget(message.id);
    if (isMine) this.#access.noteSent(Date.parse(message.createdAt));
    if (__typename === 'MessageSent' && !isMine && this.#banner.state === 'live') this.#attention.noteMessage(message);
  }

  #applySettings() {
    const { settings, expiresAt } = this.#shown;
    rememberRoom({ ...this.#key, expiresAt, title: settings.title });
    this.#bar.show(this.#name, settings);
    this.#access.setSettings(settings);
    // While the room is being entered, the screen is not shown yet.
    if (this.element.isConnected) this.#attention.setTitle(this.title);
  }

  #showAccess(access) {
    this.#composer.showAccess(access);
    // The seconds of a countdown change nothing in the messages.
    if (access.kind !== 'slow') this.#timeline.scheduleRender();
  }

  /** Sets the name of a user whom the server does not know yet. A name that is too long is cut. */
  #setName(name) {
    const allowed = cut(name, limitOf('display-name'));
    if (allowed !== '' && allowed !== this.#room.state.user.displayName) this.#room.setName(allowed);
  }

  /** Handles a refusal of something that the user did. `what` has failed; without it, only rules of the room are shown. */
  #handleDenial(error, what) {
    // The event of the ban, which has its reason, may have come first.
    if (error.code === 'USER_BANNED') this.#access.isBanned || this.#access.setBan({ until: error.until ?? null, reason: null });
    else if (error.code === 'IDENTITY_REQUIRED') this.#access.requireIdentity();
    else if (what) this.#banner.notice(`${what}: ${error.message}`);
  }

  #updateConnection({ connection, error }, before) {
    if (connection === 'ended' || connection === 'closed') return this.#end(error);
    if (connection === 'lost') {
      this.#catchUp.stop();
      this.#banner.update('lost', error);
    } else if (connection === 'live' && before === 'lost') {
      this.#banner.update('catching-up');
      this.#catchUp.start(() => this.#banner.update('live'));
    } else if (connection === 'live' && before === 'connecting') {
      this.#banner.update('live');
    }
  }

  /** Handles the end of the room, or of the permission to read it. */
  #end(error) {
    const hasEnded = !error || error.code === 'ROOM_NOT_FOUND';
    if (hasEnded) forgetRoom(this.#key.id);
    if (hasEnded) this.#bar.end();
    clearInterval(this.#timer);
    this.#typingLine.show([]);
    this.#access.end();
    const ending = this.#endedByOwner ? 'The owner has ended this room' : 'This room has ended';
    this.#banner.end(hasEnded ? `${ending}, and nobody can enter it anymore.` : `New messages cannot be received. ${toSentence(error.message)}`);
    this.#composer.end(hasEnded ? 'This room has ended' : 'The room cannot be reached');
  }

  /** Shows the room as the server has it after it has lost data. */
  #handleReload() {
    this.#catchUp.stop();
    this.#banner.update('live');
    this.#banner.notice('The server has lost data. The room was loaded again.');
    this.#timeline.showEnd();
  }

  /** Loads the page before the earliest known message. Resolves to whether that worked. */
  async #loadEarlier() {
    try {
      await this.#room.loadEarlier();
      return true;
    } catch {
      return false;
    }
  }

  /** Shows the message that a reply answers. */
  async #jump(id) {
    const history = this.#history;
    const { index } = this.#quotes.find(id);
    const isNear = history.lowest - index <= MAX_JUMP;
    while (isNear && history.lowest > index && history.hasEarlier && (await this.#loadEarlier()));
    const message = this.#quotes.find(id);
    if (index >= history.lowest) this.#timeline.showMessage(message);
    else messageDialog(message);
  }

  async #send(text, replyToId) {
    const sent = this.#room.send(text, { replyToId });
    this.#access.noteSent(serverNow());
    this.#timeline.showEnd();
    try {
      await sent;
    } catch (error) {
      this.#access.forgetSent();
      this.#noteLastSent();
      this.#handleDenial(error);
    }
  }

  #noteLastSent() {
    const at = this.#history.lastSentBy(this.#userId);
    this.#access.noteSent(at ? Date.parse(at) : 0);
  }

  #showPeople(isOpen) {
    const isShown = this.element.classList.contains('with-people');
    if (isOpen === isShown) return;
    this.element.classList.toggle('with-people', isOpen);
    this.#bar.peopleButton.setAttribute('aria-expanded', String(isOpen));
    (isOpen ? this.#people.close : this.#bar.peopleButton).focus();
  }
}
