// Edits and deletions of the user's own messages. Transient errors are retried until the user gives up.

import { retry } from './backoff.js';
import { confirm } from './dialogs.js';
import { announce } from './dom.js';
import { request } from './graphql.js';
import { actAsUser } from './identity.js';
import { DELETE, EDIT } from './operations.js';

/** Calls `on.changed(message)`, `on.deleted()` and `on.notice(sentence)`. */
export class OwnMessages {
  #room;
  #leaving;
  #on;
  #saving;

  /** Deletions are retried until `leaving` is aborted. */
  constructor(room, leaving, on) {
    this.#room = room;
    this.#leaving = leaving;
    this.#on = on;
  }

  /** Replaces the text of a message. Resolves to whether that worked, and shows with `showStatus` why not. */
  async save({ id: messageId }, text, showStatus) {
    this.#saving = new AbortController();
    const { signal } = this.#saving;
    try {
      this.#on.changed(await this.#change(EDIT, { messageId, text }, signal, () => showStatus('Waiting to save…')));
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
  async remove({ id: messageId }) {
    if (!(await confirm('Delete this message?', 'Its text will be deleted for everybody. This cannot be undone.', 'Delete'))) return;
    try {
      this.#on.changed(await this.#change(DELETE, { messageId }, this.#leaving, () => this.#on.notice('Waiting to delete…')));
      announce('Message deleted');
      this.#on.deleted();
    } catch (error) {
      // The message is already deleted: the response to an earlier try was lost.
      if (error.code !== 'MESSAGE_NOT_FOUND') this.#on.notice(`Not deleted: ${error.message}`);
    }
  }

  async #change(query, input, signal, onWait) {
    const { id: roomId, code: roomCode } = this.#room;
    const attempt = () =>
      actAsUser(async ({ userId, token }) => {
        const { payload } = await request(query, { input: { roomId, roomCode, userId, token, ...input } });
        return payload;
      });
    return (await retry(attempt, signal, onWait)).message;
  }
}
