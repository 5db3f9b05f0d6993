// How the user takes part in a room: it joins, appears among the people, and is shown as typing.

import { Membership } from './membership.js';
import { Presence } from './presence.js';
import { TypingLine, TypingNotice } from './typing.js';

/**
 * Calls `on.joined()`, `on.replaced()` when the user continues as a new one, `on.denied(error)` when joining is refused, and
 * `on.changed()` when the people have changed.
 */
export class Attendance {
  presence;
  typingLine = new TypingLine();
  #membership;
  #notice;

  constructor(room, ownerToken, signal, on) {
    this.#notice = new TypingNotice(room);
    this.presence = new Presence(room, {
      changed: on.changed,
      typing: (users) => this.typingLine.show(users),
      tokenInvalid: () => this.rejoin(),
    });
    this.#membership = new Membership(room, ownerToken, signal, {
      joined: (presenceToken) => {
        this.presence.setToken(presenceToken);
        this.#notice.presenceToken = presenceToken;
        on.joined();
      },
      replaced: on.replaced,
      error: on.denied,
    });
  }

  /** Joins the room, unless the user has done so. */
  join() {
    return this.#membership.join();
  }

  /** Joins the room again, because the server may decide differently now. */
  rejoin() {
    return this.#membership.rejoin();
  }

  /** The user has changed the text of a message. */
  noteTyping() {
    this.#notice.tell();
  }

  /** The user has sent a message. */
  noteSent() {
    this.#notice.reset();
  }

  close() {
    this.presence.close();
    this.typingLine.show([]);
  }
}
