// The messages of a room that the client knows, by their index in the room. They are those of the room's current state.

export class History {
  #room;
  #state = null;
  #byIndex = new Map();
  #byId = new Map();
  #lowest = 0;
  #newest = -1;
  #pending = [];

  constructor(room) {
    this.#room = room;
  }

  /** Index of the earliest known message. */
  get lowest() {
    return this.#current().#lowest;
  }

  /** Index of the latest known message; -1 if there is none. */
  get newest() {
    return this.#current().#newest;
  }

  /** Whether the server has messages before the earliest known one. */
  get hasEarlier() {
    return this.#room.state.hasEarlier;
  }

  /** The messages that are being sent, or could not be. */
  get pending() {
    return this.#current().#pending;
  }

  get isEmpty() {
    return this.newest < 0;
  }

  at(index) {
    return this.#current().#byIndex.get(index);
  }

  /** Returns the message with this id, or undefined if it is not known. */
  byId(id) {
    return this.#current().#byId.get(id);
  }

  /** Returns when this user has sent its last known message, or null. Deleted messages count. */
  lastSentBy(userId) {
    return this.#last((message) => message.author.id === userId)?.createdAt ?? null;
  }

  /** Returns the last message of a user that is not deleted, or null. */
  latestOf(userId) {
    return this.#last((message) => message.author.id === userId && !message.deletedAt) ?? null;
  }

  #last(isWanted) {
    return this.#room.state.messages.findLast((message) => message.status === 'sent' && isWanted(message));
  }

  /** Reads the state of the room, if it has changed. */
  #current() {
    const { state } = this.#room;
    if (state === this.#state) return this;
    this.#state = state;
    const sent = state.messages.filter(({ status }) => status === 'sent');
    this.#pending = state.messages.slice(sent.length);
    this.#byIndex = new Map(sent.map((message) => [message.index, message]));
    this.#byId = new Map(sent.map((message) => [message.id, message]));
    this.#lowest = sent[0]?.index ?? 0;
    this.#newest = sent.at(-1)?.index ?? -1;
    return this;
  }
}
