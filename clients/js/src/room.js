// A room as one client sees it: its state, its events, and what the user can do.

import { Attendance } from './attendance.js';
import { left, LiveChatError } from './errors.js';
import { EventIterator } from './event_iterator.js';
import { Log } from './log.js';
import { MessageChanges } from './message_changes.js';
import { SEND } from './operations.js';
import { Outbox } from './outbox.js';
import { Owner } from './owner.js';
import { pendingMessage } from './pending.js';
import { RoomRequests } from './requests.js';
import { aborted, wakePauses } from './retry.js';
import { User } from './user.js';

/** @import { FeedMessage } from './hub.js' */
/** @import { Server } from './server.js' */
/** @import { Store } from './storage.js' */
/** @import { Tabs } from './tabs.js' */
/** @import { Connection, JoinOptions, Message, RoomEvent, RoomState, SendOptions } from './types.js' */

/**
 * A room that `LiveChat.join` or `LiveChat.room` has returned.
 *
 * Dispatches `change` after `state` has changed, and `event` for each event of the room's log: a `CustomEvent` whose `detail` is
 * the event. Iterating over the room yields the same events, each once and in order, from then on; it ends with the room.
 *
 * @implements {AsyncIterable<RoomEvent>}
 */
export class Room extends EventTarget {
  /** Resolves when the room has been read. @type {Promise<this>} */
  joined;
  /** What only the owner of the room may do. */
  owner;
  /** Resolves when the room was left or has ended. @type {Promise<void>} */
  left;
  #tabs;
  #requests;
  #attendance;
  #isVisible;
  #outbox;
  #log;
  #changes;
  #leaving = new AbortController();
  /** @type {Set<EventIterator>} */
  #iterators = new Set();
  /** @type {RoomState | null} */
  #state = null;
  #isChangeScheduled = false;
  /** @type {Connection} */
  #connection = 'connecting';
  /** @type {LiveChatError | null} */
  #error = null;

  /**
   * @param {Server} server
   * @param {Store} store
   * @param {Tabs} tabs
   * @param {JoinOptions} options
   */
  constructor(server, store, tabs, options) {
    super();
    const { roomId, roomCode, ownerToken = store.room(roomId)?.ownerToken, isVisible = true, signal } = options;
    const changed = () => this.#changed();
    const user = new User(store, options);
    this.#tabs = tabs;
    this.#isVisible = isVisible;
    this.#requests = new RoomRequests(server, { roomId, roomCode }, user, ownerToken, this.#leaving.signal);
    this.owner = new Owner(this.#requests);
    this.#attendance = new Attendance(this.#requests, tabs, changed);
    this.#log = new Log(this.#requests, (message) => this.#outbox.confirm(message.clientMessageId, message), changed);
    this.#changes = new MessageChanges(this.#requests, this.#log);
    this.#outbox = new Outbox((entry) => this.#send(entry), changed, server.backoff, this.#leaving.signal);
    signal?.addEventListener('abort', () => this.leave());
    // Another tab may have changed the user.
    globalThis.addEventListener?.('storage', changed, { signal: this.#leaving.signal });
    this.left = aborted(this.#leaving.signal);
    this.joined = new Promise((resolve, reject) => this.#run(() => resolve(this), reject));
    this.joined.catch(() => {});
    if (signal?.aborted) this.leave();
  }

  /** The current state: a snapshot, which stays the same until the next change. */
  get state() {
    return (this.#state ??= this.#snapshot());
  }

  /**
   * Sends a message. It appears in `state.messages` at once, and is repeated until the server has responded, also after the client
   * was offline. Resolves to the accepted message; rejects when it has failed, like its entry in `state.messages`.
   *
   * @param {string} text
   * @param {SendOptions} [options]
   */
  send(text, options = {}) {
    const sent = this.#outbox.add(text, options);
    if (this.#leaving.signal.aborted) this.#outbox.close(this.#leaving.signal.reason);
    return sent;
  }

  /**
   * Answers a message.
   *
   * @param {string} messageId
   * @param {string} text
   */
  reply(messageId, text) {
    return this.send(text, { replyToId: messageId });
  }

  /**
   * Sends a failed message again.
   *
   * @param {string} clientMessageId
   */
  retry(clientMessageId) {
    this.#outbox.retry(clientMessageId);
  }

  /**
   * Gives up a message that has not been sent.
   *
   * @param {string} clientMessageId
   */
  discard(clientMessageId) {
    this.#outbox.discard(clientMessageId);
  }

  /**
   * Replaces the text of a message of the user.
   *
   * @param {string} messageId
   * @param {string} text
   * @param {{ signal?: AbortSignal }} [options] `signal` gives up, unless the server has accepted the text already.
   */
  edit(messageId, text, { signal } = {}) {
    return this.#changes.edit(messageId, text, signal);
  }

  /**
   * Deletes a message: one of the user, or any if the user owns the room.
   *
   * @param {string} messageId
   */
  remove(messageId) {
    return this.#changes.remove(messageId);
  }

  /**
   * Reacts to a message.
   *
   * @param {string} messageId
   * @param {string} emoji
   */
  react(messageId, emoji) {
    return this.#changes.react(messageId, emoji, true);
  }

  /**
   * Takes a reaction back.
   *
   * @param {string} messageId
   * @param {string} emoji
   */
  unreact(messageId, emoji) {
    return this.#changes.react(messageId, emoji, false);
  }

  /**
   * Sets the name of the user in rooms that do not know it yet.
   *
   * @param {string} displayName
   */
  setName(displayName) {
    this.#requests.user.setName(displayName);
    this.#changed();
  }

  /**
   * Registers the user in a room that was joined with `isVisible: false`. From then on, others see it, and it can react. Rejects if
   * the server refuses.
   */
  async appear() {
    await this.joined;
    await this.#attendance.appear();
  }

  /** Tells the others that the user is typing. Call it on every key: few calls reach the server. */
  typing() {
    if (this.#connection === 'live') this.#attendance.announceTyping();
  }

  /**
   * Loads the messages before the first known one. Resolves to whether there are more.
   *
   * @returns {Promise<boolean>}
   */
  loadEarlier() {
    return this.#log.loadEarlier();
  }

  /**
   * A message of this room, which may be earlier than the known ones. Null if there is none.
   *
   * @param {string} messageId
   * @returns {Promise<Message | null>}
   */
  find(messageId) {
    return this.#log.find(messageId);
  }

  /** Leaves the room. Messages that have not been sent are given up. */
  leave() {
    this.#close('closed', null);
  }

  /** @returns {AsyncIterator<RoomEvent>} */
  [Symbol.asyncIterator]() {
    const iterator = new EventIterator(() => this.#iterators.delete(iterator));
    if (this.#leaving.signal.aborted) iterator.end(this.#error);
    else this.#iterators.add(iterator);
    return iterator;
  }

  /**
   * @param {() => void} joined
   * @param {(error: Error) => void} refused
   */
  async #run(joined, refused) {
    try {
      await this.#requests.user.prepare();
      for (let isFirst = true; ; isFirst = false) {
        await this.#log.read((error) => {
          this.#error = error;
          this.#changed();
        });
        if (isFirst) {
          this.#attendance.follow(this.#isVisible, this.#leaving.signal);
          joined();
        } else {
          this.#dispatch({ __typename: 'RoomReloaded', cursor: this.#log.cursor });
        }
        if (await this.#followEvents()) break;
      }
      this.#close('ended', null);
    } catch (caught) {
      const error = caught instanceof LiveChatError ? caught : new LiveChatError('INTERNAL', String(caught));
      refused(error);
      this.#close(error.code === 'ROOM_NOT_FOUND' ? 'ended' : 'closed', error);
    }
  }

  /** Follows the events until the room ends. Returns false if the server no longer knows the cursor. */
  async #followEvents() {
    try {
      const receive = (/** @type {FeedMessage} */ { event, state, error }) => {
        if (state) this.#setConnection(state, error);
        if (event) this.#dispatch(this.#log.apply(event));
      };
      await this.#tabs.follow('events', this.#requests.key, () => this.#log.cursor, receive, this.#leaving.signal);
      return true;
    } catch (error) {
      if (/** @type {LiveChatError} */ (error).code === 'CURSOR_INVALID') return false;
      throw error;
    }
  }

  /** @param {RoomEvent} event */
  #dispatch(event) {
    this.#changed();
    this.#iterators.forEach((iterator) => iterator.push(event));
    this.dispatchEvent(new CustomEvent('event', { detail: event }));
  }

  /**
   * @param {'live' | 'lost'} state
   * @param {any} error
   */
  #setConnection(state, error) {
    this.#connection = state;
    this.#error = error ? LiveChatError.from(error) : null;
    if (state === 'live') wakePauses();
    else this.#attendance.clearTyping();
    this.#changed();
  }

  /**
   * @param {'ended' | 'closed'} connection
   * @param {LiveChatError | null} error
   */
  #close(connection, error) {
    if (this.#leaving.signal.aborted) return;
    this.#connection = connection;
    this.#error = error;
    const reason = error ?? (connection === 'ended' ? new LiveChatError('ROOM_NOT_FOUND', 'The room has ended.') : left());
    this.#leaving.abort(reason);
    this.#outbox.close(reason);
    this.#iterators.forEach((iterator) => iterator.end(connection === 'ended' ? null : error));
    this.#changed();
  }

  /** @param {{ id: string, text: string, replyToId: string | null }} entry */
  async #send({ id: clientMessageId, text, replyToId }) {
    return this.#log.put((await this.#requests.actOnce(SEND, { text, clientMessageId, replyToId })).message);
  }

  #changed() {
    this.#state = null;
    if (this.#isChangeScheduled) return;
    this.#isChangeScheduled = true;
    queueMicrotask(() => {
      this.#isChangeScheduled = false;
      this.dispatchEvent(new Event('change'));
    });
  }

  /** @returns {RoomState} */
  #snapshot() {
    const { id, displayName, isKnown } = this.#requests.user;
    const { cursor, messages, settings, expiresAt, ban, role } = this.#log;
    const isOwner = !!this.#requests.ownerToken || role === 'OWNER';
    const pending = this.#outbox.entries.map((entry) => pendingMessage(entry, id, displayName ?? '', isOwner));
    const { users = [], userCount = 0, typing = [], viewerCount = this.#log.viewerCount } = this.#attendance.state ?? {};
    return {
      roomId: this.#requests.key.roomId,
      connection: this.#connection,
      error: this.#error,
      cursor,
      messages: [...messages.list(), ...pending],
      hasEarlier: messages.hasEarlier,
      people: users,
      userCount,
      viewerCount,
      typing: typing.filter((chatter) => chatter.id !== id),
      settings,
      expiresAt,
      user: { id, displayName, isKnown },
      isOwner,
      ban,
    };
  }
}
