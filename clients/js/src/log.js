// What a client knows of a room's log: the room is read once, then its events keep it current.

import { Messages } from './messages.js';
import { EARLIER, FIND, ROOM } from './operations.js';

/** @import { LiveChatError } from './errors.js' */
/** @import { RoomRequests } from './requests.js' */
/** @import { Ban, Message, Role, RoomEvent, RoomSettings } from './types.js' */

export class Log {
  messages = new Messages();
  /** Cursor of the last known event. */
  cursor = '';
  /** @type {RoomSettings | null} */
  settings = null;
  /** @type {string | null} */
  expiresAt = null;
  viewerCount = 0;
  /** The ban of the user. @type {Ban | null} */
  ban = null;
  /** The user's, as its last message shows it. @type {Role} */
  role = 'MEMBER';
  #requests;
  #onOwnMessage;
  #onChange;
  /** @type {Promise<boolean> | null} */
  #loading = null;

  /**
   * @param {RoomRequests} requests
   * @param {(message: Message) => void} onOwnMessage Is called with each message of the user that arrives.
   * @param {() => void} onChange
   */
  constructor(requests, onOwnMessage, onChange) {
    this.#requests = requests;
    this.#onOwnMessage = onOwnMessage;
    this.#onChange = onChange;
  }

  /**
   * Reads the room, and forgets what was known of it.
   *
   * @param {(error: LiveChatError) => void} onWait Is called before each pause between tries.
   */
  async read(onWait) {
    const { messages, ...values } = await this.#requests.read(ROOM, { userId: this.#requests.user.id }, onWait);
    // The cursor, the settings, when the room ends, and the number of viewers.
    Object.assign(this, values);
    this.messages.reset(messages);
    for (const message of this.messages.list()) this.#confirm(message);
    this.#onChange();
  }

  /**
   * Applies the next event. Returns it with the message as it is known now.
   *
   * @param {any} event
   * @returns {RoomEvent}
   */
  apply(event) {
    this.cursor = event.cursor;
    if (event.message) {
      event = { ...event, message: this.messages.put(event.message, true) };
      this.#confirm(event.message);
    }
    if (event.settings) this.settings = event.settings;
    if (event.ban?.user.id === this.#requests.user.id) this.ban = event.ban;
    if (event.__typename === 'UserUnbanned' && event.user.id === this.#requests.user.id) this.ban = null;
    return event;
  }

  /**
   * Adds a message from a response.
   *
   * @param {any} message
   * @param {boolean} [hasNewReactions]
   * @returns {Message}
   */
  put(message, hasNewReactions) {
    const known = this.messages.put(message, hasNewReactions);
    this.#onChange();
    return known;
  }

  /**
   * A message of the room, which may be earlier than the known ones. Null if there is none.
   *
   * @param {string} id
   * @returns {Promise<Message | null>}
   */
  async find(id) {
    const known = this.messages.find(id);
    if (known) return known;
    const { message } = await this.#requests.read(FIND, { userId: this.#requests.user.id, id });
    return message && this.put(message);
  }

  /** Loads the messages before the first known one. Resolves to whether there are more. */
  loadEarlier() {
    return (this.#loading ??= this.#loadEarlier().finally(() => (this.#loading = null)));
  }

  async #loadEarlier() {
    const before = this.messages.earlierCursor;
    if (!this.messages.hasEarlier) return false;
    const { messages } = await this.#requests.read(EARLIER, { userId: this.#requests.user.id, before });
    // The room may have been read again in the meantime.
    if (before === this.messages.earlierCursor) this.messages.addEarlier(messages);
    this.#onChange();
    return this.messages.hasEarlier;
  }

  /** @param {Message} message */
  #confirm(message) {
    if (message.author.id !== this.#requests.user.id) return;
    this.role = message.authorRole;
    this.#onOwnMessage(message);
  }
}
