// The owner's side of a room: dialogs and confirmations around the owner's actions.

import { banDialog } from './ban_dialog.js';
import { confirm } from './dialogs.js';
import { announce } from './dom.js';
import { OwnerActions } from './owner_actions.js';
import { settingsDialog } from './settings_dialog.js';

/** Calls `on.settings(settings)`, `on.message(message)` and `on.problem(sentence)`. */
export class Moderation {
  #actions;
  #on;

  constructor(room, ownerToken, on) {
    this.#actions = new OwnerActions(room, ownerToken);
    this.#on = on;
  }

  /** Changes the settings, which are these now. */
  changeSettings(settings) {
    settingsDialog(settings, this.#actions, { changed: this.#on.settings });
  }

  ban(user) {
    banDialog(user, this.#actions);
  }

  async removeMessage({ id, author }) {
    const explanation = `The message of ${author.displayName} will be removed for everybody. This cannot be undone.`;
    if (!(await confirm('Remove this message?', explanation, 'Remove'))) return;
    try {
      this.#on.message(await this.#actions.removeMessage(id));
      announce('Message removed');
    } catch (error) {
      // Its author or an earlier try has deleted it.
      if (error.code !== 'MESSAGE_NOT_FOUND') this.#on.problem(`Not removed: ${error.message}`);
    }
  }
}
