// Who is in the room now and who is typing, as the server tells over the connection of the room's events.

import { delayAfter, pause } from './backoff.js';
import { RequestError } from './graphql.js';
import { PRESENCE } from './operations.js';

/** Calls `on.changed()`, `on.typing(users)`, and `on.tokenInvalid()` if the presence token is not valid anymore. */
export class Presence {
  /** User id -> `{ user, role }`. At most 1,000; `userCount` counts all. */
  people = new Map();
  userCount = 0;
  viewerCount = null;
  /** Whether the list is up to date. */
  isLive = false;
  #room;
  #on;
  #token = null;
  #connection = null;
  #stop = null;
  #failures = 0;
  #error = null;
  #closed = new AbortController();

  constructor(room, on) {
    this.#room = room;
    this.#on = on;
  }

  /** Subscribes over a new connection. */
  attach(connection) {
    this.#connection = connection;
    this.#stop = null;
    this.#failures = 0;
    this.#subscribe();
  }

  /** The connection is lost. What is known stays. */
  detach() {
    this.#connection = null;
    this.#stop = null;
    this.isLive = false;
  }

  /** Shows the user to the others, with the token that it got by joining; with null no longer. */
  setToken(token) {
    if (token === this.#token) return;
    this.#token = token;
    if (this.#stop) this.#subscribe();
  }

  close() {
    this.#closed.abort();
    this.detach();
  }

  #subscribe() {
    this.#stop?.();
    this.#error = null;
    const { id: roomId, code: roomCode } = this.#room;
    this.#stop = this.#connection.subscribe?.(PRESENCE, { roomId, roomCode, presenceToken: this.#token }, {
      result: (result) => this.#receive(result),
      complete: () => this.#complete(),
    });
  }

  #receive({ data, errors }) {
    if (errors?.length) this.#error = RequestError.from(errors[0]);
    else if (data.presence.__typename === 'TypingChanged') this.#on.typing(data.presence.typing);
    else this.#update(data.presence);
  }

  #update({ __typename, viewerCount, userCount, users, typing, joined, left }) {
    if (__typename === 'PresenceSnapshot') {
      this.isLive = true;
      this.#failures = 0;
      this.people = new Map(users.map((person) => [person.user.id, person]));
      this.#on.typing(typing);
    } else {
      left.forEach(({ id }) => this.people.delete(id));
      joined.forEach((person) => this.people.set(person.user.id, person));
    }
    Object.assign(this, { viewerCount, userCount });
    this.#on.changed();
  }

  /** Subscribes again, unless the connection has ended, or the room. */
  async #complete() {
    this.isLive = false;
    this.#stop = null;
    const error = this.#error;
    if (error?.code === 'PRESENCE_TOKEN_INVALID' || error?.code === 'USER_BANNED') {
      this.#token = null;
      if (error.code === 'PRESENCE_TOKEN_INVALID') this.#on.tokenInvalid();
    } else if (error && !error.isTransient) {
      return;
    }
    const connection = this.#connection;
    this.#failures += 1;
    await pause(delayAfter(this.#failures, error), this.#closed.signal);
    if (this.#connection === connection && connection && !this.#stop && !this.#closed.signal.aborted) this.#subscribe();
  }
}
