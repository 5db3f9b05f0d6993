// Joining a room: registers the user there before its first message, so that others see it, and it can react.

/** Calls `on.joined()`, and `on.denied(error)` if the server refuses. */
export class Membership {
  #room;
  #on;
  #joining = null;
  #joinedAs = null;

  constructor(room, on) {
    this.#room = room;
    this.#on = on;
  }

  /** Joins, unless the user has done so. */
  join() {
    return (this.#joining ??= this.#join().finally(() => (this.#joining = null)));
  }

  /** Joins again, because the server may decide differently now. */
  rejoin() {
    this.#joinedAs = null;
    return this.join();
  }

  async #join() {
    if (this.#joinedAs === this.#room.state.user.id) return;
    try {
      await this.#room.appear();
      this.#joinedAs = this.#room.state.user.id;
      this.#on.joined();
    } catch (error) {
      this.#on.denied(error);
    }
  }
}
