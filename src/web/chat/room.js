// The screen of a room, which connects its history, its events, its people, and what the user does.

import { Attendance } from './attendance.js';
import { Attention } from './attention.js';
import { Banner } from './banner.js';
import { Composer } from './composer.js';
import { shareDialog } from './dialogs.js';
import { el } from './dom.js';
import { serverNow } from './graphql.js';
import { Feed } from './feed.js';
import { History } from './history.js';
import { currentUser } from './identity.js';
import { isCancel } from './keyboard.js';
import { Loader } from './loader.js';
import { messageDialog } from './message_dialog.js';
import { Moderation } from './moderation.js';
import { roomName } from './names.js';
import { Outbox } from './outbox.js';
import { OwnMessages } from './own_messages.js';
import { People } from './people.js';
import { Quotes } from './quotes.js';
import { Reactions } from './reactions.js';
import { RoomBar } from './room_bar.js';
import { forgetRoom, rememberRoom } from './rooms.js';
import { toSentence } from './start.js';
import { onNewDay } from './time.js';
import { Timeline } from './timeline.js';
import { WriteAccess } from './write_access.js';

/** Interval at which a visible page without presence requests the state of the room, in milliseconds. */
const REFRESH_INTERVAL = 10_000;

/** A jump to a message loads at most this many earlier messages. A message before them is shown in a dialog. */
const MAX_JUMP = 500;

/** `state` is the room as it was entered. `ownerToken` is undefined for everybody but the owner. */
export class RoomScreen {
  #state;
  #room;
  #settings;
  #history = new History();
  #leaving = new AbortController();
  #banner = new Banner();
  #outbox;
  #timeline;
  #composer;
  #people;
  #attendance;
  #loader;
  #ownMessages;
  #moderation = null;
  #reactions;
  #access;
  #bar;
  #feed;
  #timers = [];
  #attention = new Attention();
  #endedByOwner = false;

  constructor(state, ownerToken) {
    const { signal } = this.#leaving;
    const room = { id: state.id, code: state.code };
    this.#state = state;
    this.#room = room;
    this.#settings = state.settings;
    this.#history.reset(state.messages);
    if (ownerToken) {
      this.#moderation = new Moderation(room, ownerToken, {
        settings: (settings) => this.#applySettings(settings),
        message: (message) => this.#addMessage(message),
        problem: (sentence) => this.#banner.notice(sentence),
      });
    }
    this.#access = new WriteAccess(state.settings, Boolean(ownerToken), (access) => this.#showAccess(access));
    this.#attendance = new Attendance(room, ownerToken, signal, {
      joined: () => this.#handleJoin(),
      replaced: () => this.#handleNewUser(),
      denied: (error) => this.#handleDenial(error),
      changed: () => this.#showCounts({}),
    });
    this.#reactions = new Reactions(room, signal, {
      join: () => this.#attendance.join(),
      changed: () => this.#timeline.scheduleRender(),
      counted: (message, base) => this.#addCounts(message, base),
      error: (error) => this.#handleDenial(error, 'Reaction not saved'),
    });
    this.#reactions.learn(state.messages.nodes);
    this.#loader = new Loader(room, this.#history, signal, (messages) => this.#reactions.learn(messages));
    this.#ownMessages = new OwnMessages(room, signal, {
      changed: (message) => this.#addMessage(message),
      deleted: () => this.#composer.focus(),
      notice: (sentence) => this.#banner.notice(sentence),
    });
    this.#outbox = new Outbox(room, ownerToken, {
      changed: () => this.#timeline.scheduleRender(),
      sent: (message) => this.#handleSent(message),
      error: (error) => this.#handleSendError(error),
    });
    this.#timeline = this.#createTimeline();
    this.#composer = new Composer(this.#attendance.typingLine.element, {
      send: (text, replyToId) => this.#send(text, replyToId),
      typing: () => this.#attendance.noteTyping(),
      editLast: () => this.#access.canAct && this.#timeline.edit(this.#history.latestOf(currentUser().userId)),
      nameChosen: () => this.#attendance.join(),
    });
    this.#people = new People(room, this.#attendance.presence, Boolean(ownerToken), {
      close: () => this.#showPeople(false),
      ban: (user) => this.#moderation.ban(user),
    });
    this.#bar = new RoomBar(state.expiresAt, Boolean(ownerToken), {
      share: () => shareDialog(room),
      settings: () => this.#moderation.changeSettings(this.#settings),
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
    this.#feed.close();
    this.#attendance.close();
    this.#outbox.close();
    this.#timeline.close();
    this.#access.close();
    this.#timers.forEach(clearInterval);
  }

  get #name() {
    return this.#settings.title ?? roomName(this.#room.id);
  }

  get #isEnded() {
    return this.#banner.state === 'ended';
  }

  #createTimeline() {
    const quotes = new Quotes(this.#room, this.#history, this.#leaving.signal, () => this.#timeline.scheduleRender());
    const view = {
      rights: () => ({ isOwner: Boolean(this.#moderation), canAct: this.#access.canAct, isEnded: this.#isEnded }),
      reactions: (message) => this.#reactions.of(message),
      quote: (id) => quotes.find(id),
    };
    return new Timeline(this.#history, this.#outbox, view, {
      loadEarlier: () => this.#loader.loadEarlier(),
      share: () => shareDialog(this.#room),
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
    });
  }

  #start() {
    this.#applySettings(this.#settings);
    this.#noteLastSent();
    this.#showCounts(this.#state);
    this.#feed = this.#openFeed();
    this.#people.loadMore();
    // A new user joins with a name of its choice.
    if (currentUser().isKnown) this.#attendance.join();
    const poll = () => this.#attendance.presence.isLive || this.#refresh();
    this.#timers = [setInterval(poll, REFRESH_INTERVAL), setInterval(() => this.#bar.updateTimeLeft(), 15_000)];
    const { signal } = this.#leaving;
    document.addEventListener('visibilitychange', () => this.#refresh(), { signal });
    onNewDay(() => this.#timeline.scheduleRender(), signal);
    addEventListener('storage', () => this.#followOtherTabs(), { signal });
    // Asks before the page is closed with unsent messages, which would be lost.
    addEventListener('beforeunload', (event) => !this.#outbox.isEmpty && event.preventDefault(), { signal });
  }

  /** Another tab may have made the user known to the server, or replaced it. */
  #followOtherTabs() {
    this.#composer.showIdentity();
    if (currentUser().isKnown && this.#access.canAct) this.#attendance.join();
  }

  #openFeed() {
    return new Feed(this.#room, this.#state.cursor, {
      open: (connection) => this.#attendance.presence.attach(connection),
      event: (event) => this.#handleEvent(event),
      state: (state, error) => this.#updateConnection(state, error),
      counts: (room) => this.#showCounts(room),
      reload: () => this.#reload(),
      reset: (room) => this.#reset(room),
      end: (error) => this.#end(error),
    });
  }

  #handleEvent({ __typename, message, settings, ban, user }) {
    const ownId = currentUser().userId;
    if (message) return this.#addMessage(message, __typename);
    if (__typename === 'RoomUpdated') this.#applySettings(settings);
    if (__typename === 'UserBanned' && ban.user.id === ownId) this.#access.setBan(ban);
    // The ban may have been that of another user with the same address. Then only joining shows whether it is lifted.
    if (__typename === 'UserUnbanned' && (user.id === ownId || this.#access.isBanned)) this.#attendance.rejoin();
    if (__typename === 'RoomEnded') this.#endedByOwner = true;
  }

  /** Adds a new or changed message, from an event of this type or from a response. */
  #addMessage(message, eventType) {
    this.#history.add(message, Boolean(eventType));
    this.#people.add(message.author);
    if (message.deletedAt) this.#composer.forget(message.id);
    const isMine = message.author.id === currentUser().userId;
    if (isMine) this.#access.noteSent(Date.parse(message.createdAt));
    if (isMine && message.clientMessageId) this.#outbox.confirm(message.clientMessageId);
    this.#timeline.scheduleRender();
    if (eventType === 'MessageSent' && !isMine && this.#banner.state === 'live') this.#attention.noteMessage(message);
  }

  /** Adds the counts of a response, unless newer ones than `base` have arrived. */
  #addCounts(message, base) {
    if (JSON.stringify(this.#history.byId(message.id)?.reactions) === base) this.#history.add(message, true);
  }

  #applySettings(settings) {
    this.#settings = settings;
    rememberRoom({ ...this.#state, settings });
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

  /** Shows the numbers of viewers and chatters. Presence, if it is live, knows the first one better. */
  #showCounts(room) {
    const { isLive, viewerCount } = this.#attendance.presence;
    const counts = isLive ? { ...room, viewerCount } : room;
    this.#bar.showViewers(counts.viewerCount);
    this.#people.showCounts(counts);
  }

  #handleJoin() {
    this.#access.setBan(null);
    this.#composer.showIdentity();
    this.#people.show();
  }

  #handleNewUser() {
    this.#banner.notice('The server no longer accepts this browser’s user. You continue as a new user.');
    this.#reactions.forget();
    this.#composer.showIdentity();
    this.#timeline.scheduleRender();
  }

  /** Handles a refusal of something that the user did. `what` has failed; without it, only rules of the room are shown. */
  #handleDenial(error, what) {
    // The event of the ban, which has its reason, may have come first.
    if (error.code === 'USER_BANNED') this.#access.isBanned || this.#access.setBan({ until: error.until, reason: null });
    else if (error.code === 'IDENTITY_REQUIRED') this.#access.requireIdentity();
    else if (what) this.#banner.notice(`${what}: ${error.message}`);
  }

  #updateConnection(state, error) {
    this.#banner.update(state, error);
    if (state === 'lost') this.#attendance.presence.detach();
    if (state !== 'live') return;
    this.#outbox.retryNow();
    this.#refresh();
  }

  /** Handles the end of the subscription. */
  #end(error) {
    const hasEnded = !error || error.code === 'ROOM_NOT_FOUND';
    if (hasEnded) forgetRoom(this.#room.id);
    if (hasEnded) this.#bar.end();
    this.#outbox.close();
    this.#timers.forEach(clearInterval);
    this.#attendance.close();
    this.#access.end();
    const ending = this.#endedByOwner ? 'The owner has ended this room' : 'This room has ended';
    this.#banner.end(hasEnded ? `${ending}, and nobody can enter it anymore.` : `New messages cannot be received. ${toSentence(error.message)}`);
    this.#composer.end(hasEnded ? 'This room has ended' : 'The room cannot be reached');
    this.#timeline.scheduleRender();
  }

  /** The room is about to be loaded again. */
  #reload() {
    this.#attendance.presence.detach();
    this.#banner.reload();
  }

  /** Shows the room as the server has it after it has lost data. */
  #reset({ messages, settings }) {
    this.#history.reset(messages);
    this.#reactions.learn(messages.nodes);
    this.#applySettings(settings);
    this.#timeline.showEnd();
  }

  /** Shows the message that a reply answers. */
  async #jump(id) {
    const { index } = this.#history.byId(id);
    await this.#loader.loadUntil(index, MAX_JUMP);
    const message = this.#history.byId(id);
    if (index >= this.#history.lowest) this.#timeline.showMessage(message);
    else messageDialog(message);
  }

  #send(text, replyToId) {
    this.#outbox.add(text, replyToId);
    this.#access.noteSent(serverNow());
    this.#attendance.noteSent();
    this.#timeline.showEnd();
  }

  #handleSent(message) {
    this.#addMessage(message);
    this.#composer.showIdentity();
    this.#attendance.join();
  }

  #handleSendError(error) {
    this.#access.forgetSent();
    this.#noteLastSent();
    if (error.code === 'TOKEN_INVALID') this.#handleNewUser();
    this.#handleDenial(error);
    this.#composer.showIdentity();
  }

  #noteLastSent() {
    const at = this.#history.lastSentBy(currentUser().userId);
    this.#access.noteSent(at ? Date.parse(at) : 0);
  }

  /** The user sees the page, or the connection is new. */
  #refresh() {
    if (document.hidden || this.#isEnded) return;
    this.#attention.noteSeen();
    this.#feed.refresh();
  }

  #showPeople(isOpen) {
    const isShown = this.element.classList.contains('with-people');
    if (isOpen === isShown) return;
    this.element.classList.toggle('with-people', isOpen);
    this.#bar.peopleButton.setAttribute('aria-expanded', String(isOpen));
    (isOpen ? this.#people.close : this.#bar.peopleButton).focus();
  }
}
