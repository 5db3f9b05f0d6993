// Reactions to messages: the user's own ones, and the counts as they will be once the server has accepted a change.

import { retry } from './backoff.js';
import { request } from './graphql.js';
import { actAsUser } from './identity.js';
import { ADD_REACTION, REMOVE_REACTION } from './operations.js';

/**
 * The reactions of one user in a room. Calls `on.changed()`, `on.counted(message)` with newer counts, `on.error(error)`, and
 * `on.join()` before the first change.
 */
export class Reactions {
  #room;
  #signal;
  #on;
  /** Message id -> emoji of the user, as the server has confirmed them. */
  #own = new Map();
  /** Message id and emoji -> a change that the server has not confirmed: `{ messageId, emoji, add, base }`. */
  #pending = new Map();

  constructor(room, signal, on) {
    this.#room = room;
    this.#signal = signal;
    this.#on = on;
  }

  /** Learns the user's own reactions from messages that were queried with them. */
  learn(messages) {
    for (const { id, reactionsBy } of messages) if (reactionsBy) this.#own.set(id, new Set(reactionsBy));
  }

  /** Forgets whose reactions these are: the user has been replaced. */
  forget() {
    this.#own.clear();
  }

  /** Returns the reactions to show: `[{ emoji, count, isMine }]`. */
  of({ id, reactions }) {
    const counts = new Map(reactions.map(({ emoji, count }) => [emoji, count]));
    for (const { messageId, emoji, add, base } of this.#pending.values()) {
      if (messageId !== id) continue;
      const count = counts.get(emoji) ?? 0;
      const isOwn = this.#isOwn(id, emoji);
      // Newer counts may include this change already.
      if (base === JSON.stringify(reactions)) counts.set(emoji, count + Number(add) - Number(isOwn));
      else if (add) counts.set(emoji, Math.max(1, count));
    }
    return [...counts]
      .filter(([, count]) => count > 0)
      .map(([emoji, count]) => ({ emoji, count, isMine: this.#isMine(id, emoji) }));
  }

  /** Adds or removes a reaction. It is shown at once, and taken back if the server refuses it. */
  async toggle(message, emoji) {
    const key = `${message.id} ${emoji}`;
    const add = !this.#isMine(message.id, emoji);
    const known = this.#pending.get(key);
    if (known) known.add = add;
    else await this.#change(key, { messageId: message.id, emoji, add, base: JSON.stringify(message.reactions) });
  }

  async #change(key, wish) {
    this.#pending.set(key, wish);
    this.#on.changed();
    try {
      let sent;
      do {
        sent = wish.add;
        const { message } = await this.#send(wish);
        this.learn([message]);
        this.#on.counted(message, wish.base);
        // The user may have changed their mind meanwhile.
      } while (wish.add !== sent);
    } catch (error) {
      if (!this.#signal.aborted) this.#on.error(error);
    }
    this.#pending.delete(key);
    this.#on.changed();
  }

  async #send({ messageId, emoji, add }) {
    await this.#on.join();
    const { id: roomId, code: roomCode } = this.#room;
    const attempt = () =>
      actAsUser(async ({ userId, token }) => {
        const input = { roomId, roomCode, userId, token, messageId, emoji };
        return (await request(add ? ADD_REACTION : REMOVE_REACTION, { input, userId })).payload;
      });
    return retry(attempt, this.#signal);
  }

  #isOwn(id, emoji) {
    return this.#own.get(id)?.has(emoji) ?? false;
  }

  #isMine(id, emoji) {
    return this.#pending.get(`${id} ${emoji}`)?.add ?? this.#isOwn(id, emoji);
  }
}
