// Who is typing: tells the others about this user, and shows who else is.

import { delayAfter } from './backoff.js';
import { el } from './dom.js';
import { request } from './graphql.js';
import { currentUser } from './identity.js';
import { SET_TYPING } from './operations.js';

/** The server shows a user as typing for five seconds, so it is told again a bit earlier. In milliseconds. */
const INTERVAL = 4_000;

/** Tells the others that the user is typing. */
export class TypingNotice {
  /** What the user got by joining; null before that. */
  presenceToken = null;
  #room;
  #notBefore = 0;

  constructor(room) {
    this.#room = room;
  }

  /** The user has changed the text of a message. */
  async tell() {
    if (!this.presenceToken || performance.now() < this.#notBefore) return;
    this.#notBefore = performance.now() + INTERVAL;
    const { id: roomId, code: roomCode } = this.#room;
    try {
      await request(SET_TYPING, { input: { roomId, roomCode, presenceToken: this.presenceToken } });
    } catch (error) {
      this.#notBefore = performance.now() + Math.max(INTERVAL, delayAfter(3, error));
    }
  }

  /** The user has sent the message, after which the server no longer shows it as typing. */
  reset() {
    this.#notBefore = 0;
  }
}

/** The line that shows who else is typing. Screen readers find it, but it does not interrupt them. */
export class TypingLine {
  element = el('p', { class: 'typing' });
  #shown = '';

  show(users) {
    const names = users.filter(({ id }) => id !== currentUser().userId).map(({ displayName }) => displayName);
    const shown = JSON.stringify(names);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.element.replaceChildren(...sentence(names));
  }
}

function sentence(names) {
  const [first, second] = names.map((name) => el('bdi', {}, name));
  if (names.length === 0) return [];
  if (names.length === 1) return [first, ' is typing…'];
  if (names.length === 2) return [first, ' and ', second, ' are typing…'];
  return [`${names.length} people are typing…`];
}
