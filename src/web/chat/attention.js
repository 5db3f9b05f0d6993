// Draws the user's attention to new messages: screen readers read them, and the title of a hidden page counts them.

import { announce } from './dom.js';

export class Attention {
  #title = '';
  #unseen = 0;

  /** Sets the title of the page without the count. */
  setTitle(title) {
    this.#title = title;
    this.#show();
  }

  /** A message of somebody else has arrived. */
  noteMessage({ author, text, deletedAt }) {
    if (!deletedAt) announce(`${author.displayName}: ${text}`);
    if (!document.hidden) return;
    this.#unseen += 1;
    this.#show();
  }

  /** The user sees the page. */
  noteSeen() {
    this.#unseen = 0;
    this.#show();
  }

  #show() {
    document.title = this.#unseen > 0 ? `(${this.#unseen}) ${this.#title}` : this.#title;
  }
}
