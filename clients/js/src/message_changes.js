// Changes of messages that are in a room: edits, deletions and reactions.

import { DELETE, EDIT, REACT, REMOVE, UNREACT } from './operations.js';

/** @import { LiveChatError } from './errors.js' */
/** @import { Log } from './log.js' */
/** @import { RoomRequests } from './requests.js' */
/** @import { Message } from './types.js' */

export class MessageChanges {
  #requests;
  #log;

  /**
   * @param {RoomRequests} requests
   * @param {Log} log
   */
  constructor(requests, log) {
    this.#requests = requests;
    this.#log = log;
  }

  /**
   * @param {string} messageId
   * @param {string} text
   * @param {AbortSignal} [signal]
   */
  edit(messageId, text, signal) {
    return this.#change(messageId, EDIT, { text }, signal);
  }

  /** @param {string} messageId */
  async remove(messageId) {
    const message = await this.#log.find(messageId);
    try {
      if (message?.author.id === this.#requests.user.id) return await this.#change(messageId, DELETE);
      return this.#log.put((await this.#requests.actAsOwner(REMOVE, { messageId })).message);
    } catch (error) {
      // The message is already deleted: the response to an earlier try was lost.
      if (/** @type {LiveChatError} */ (error).code !== 'MESSAGE_NOT_FOUND' || !message) throw error;
      return this.#log.messages.find(messageId) ?? message;
    }
  }

  /**
   * Adds a reaction of the user, or takes it back.
   *
   * @param {string} messageId
   * @param {string} emoji
   * @param {boolean} isAdded
   */
  async react(messageId, emoji, isAdded) {
    const { messages } = this.#log;
    const before = messages.find(messageId);
    const { message } = await this.#requests.act(isAdded ? REACT : UNREACT, { messageId, emoji });
    const known = messages.find(messageId);
    const reactionsBy = (known?.myReactions ?? []).filter((mine) => mine !== emoji);
    if (isAdded) reactionsBy.push(emoji);
    // An event that has arrived in the meantime may be newer than the response.
    return this.#log.put(known === before ? { ...message, reactionsBy } : { ...known, reactionsBy }, true);
  }

  /**
   * @param {string} messageId
   * @param {string} mutation
   * @param {object} [input]
   * @param {AbortSignal} [signal]
   * @returns {Promise<Message>}
   */
  async #change(messageId, mutation, input, signal) {
    return this.#log.put((await this.#requests.act(mutation, { messageId, ...input }, signal)).message);
  }
}
