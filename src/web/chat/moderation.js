// The owner's side of a room: dialogs and confirmations around the owner's actions.

import { banDialog } from './ban_dialog.js';
import { confirm } from './dialogs.js';
import { announce } from './dom.js';
import { settingsDialog } from './settings_dialog.js';

/** Calls `on.problem(sentence)`. */
export class Moderation {
  #room;
  #on;

  constructor(room, on) {
    this.#room = room;
    this.#on = on;
  }

  changeSettings() {
    settingsDialog(this.#room.state.settings, this.#room.owner);
  }

  ban(user) {
    banDialog(user, this.#room.owner);
  }

  async removeMessage({ id, author }) {
    const explanation = `The message of ${author.displayName} will be removed for everybody. This cannot be undone.`;
    if (!(await confirm('Remove this message?', explanation, 'Remove'))) return;
    try {
      await this.#room.remove(id);
      announce('Message removed');
    } catch (error) {
      this.#on.problem(`Not removed: ${error.message}`);
    }
  }
}
