// Reactions to messages as they will be once the server has accepted the changes of the user.

/** The reactions of the user in a room. Calls `on.changed()`, `on.error(error)`, and `on.join()` before the first change. */
export class Reactions {
  #room;
  #on;
  /** Message id and emoji -> a change that the server has not confirmed: `{ messageId, emoji, add, base }`. */
  #pending = new Map();

  constructor(room, on) {
    this.#room = room;
    this.#on = on;
  }

  /** Returns the reactions to show: `[{ emoji, count, isMine }]`. */
  of(message) {
    const { id, reactions, myReactions } = message;
    const counts = new Map(reactions.map(({ emoji, count }) => [emoji, count]));
    for (const { messageId, emoji, add, base } of this.#pending.values()) {
      if (messageId !== id) continue;
      const count = counts.get(emoji) ?? 0;
      const isOwn = myReactions.includes(emoji);
      // Newer counts may include this change already.
      if (base === JSON.stringify(reactions)) counts.set(emoji, count + Number(add) - Number(isOwn));
      else if (add) counts.set(emoji, Math.max(1, count));
    }
    return [...counts]
      .filter(([, count]) => count > 0)
      .map(([emoji, count]) => ({ emoji, count, isMine: this.#isMine(message, emoji) }));
  }

  /** Adds or removes a reaction. It is shown at once, and taken back if the server refuses it. */
  async toggle(message, emoji) {
    const key = `${message.id} ${emoji}`;
    const add = !this.#isMine(message, emoji);
    const known = this.#pending.get(key);
    if (known) known.add = add;
    else await this.#change(key, { messageId: message.id, emoji, add, base: JSON.stringify(message.reactions) });
  }

  async #change(key, wish) {
    this.#pending.set(key, wish);
    this.#on.changed();
    try {
      // The server knows only users who have joined or written.
      await this.#on.join();
      let sent;
      do {
        sent = wish.add;
        await (sent ? this.#room.react(wish.messageId, wish.emoji) : this.#room.unreact(wish.messageId, wish.emoji));
        // The user may have changed their mind meanwhile.
      } while (wish.add !== sent);
    } catch (error) {
      if (error.code !== 'LEFT') this.#on.error(error);
    }
    this.#pending.delete(key);
    this.#on.changed();
  }

  #isMine({ id, myReactions }, emoji) {
    return this.#pending.get(`${id} ${emoji}`)?.add ?? myReactions.includes(emoji);
  }
}
