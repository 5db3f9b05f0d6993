// Edits and deletions of the user's own messages. The client repeats them after transient errors.

import { confirm } from './dialogs.js';
import { announce } from './dom.js';

/** After this time without a response, the user is told that the page waits, in milliseconds. */
const SHOW_WAIT_AFTER = 2_000;

/** Calls `on.deleted()` and `on.notice(sentence)`. */
export class OwnMessages {
  #room;
  #on;
  #saving;

  constructor(room, on) {
    this.#room = room;
    this.#on = on;
  }

  /** Replaces the text of a message. Resolves to whether that worked, and shows with `showStatus` why not. */
  async save({ id }, text, showStatus) {
    this.#saving = new AbortController();
    const { signal } = this.#saving;
    try {
      await patiently(this.#room.edit(id, text, { signal }), () => signal.aborted || showStatus('Waiting to save…'));
      return true;
    } catch (error) {
      if (!signal.aborted) showStatus(`Not saved: ${error.message}`);
      return false;
    }
  }

  /** Stops retrying to save. */
  cancelSave() {
    this.#saving?.abort();
  }

  /** Deletes a message once the user has confirmed it. */
  async remove({ id }) {
    if (!(await confirm('Delete this message?', 'Its text will be deleted for everybody. This cannot be undone.', 'Delete'))) return;
    try {
      await patiently(this.#room.remove(id), () => this.#on.notice('Waiting to delete…'));
      announce('Message deleted');
      this.#on.deleted();
    } catch (error) {
      if (error.code !== 'LEFT') this.#on.notice(`Not deleted: ${error.message}`);
    }
  }
}

/** Waits for `work`, and calls `showWait()` if it takes long. */
async function patiently(work, showWait) {
  const timer = setTimeout(showWait, SHOW_WAIT_AFTER);
  try {
    await work;
  } finally {
    clearTimeout(timer);
  }
}
