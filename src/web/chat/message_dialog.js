// A dialog with one message, for a message that is too far back to scroll to.

import { openDialog } from './dialogs.js';
import { el } from './dom.js';
import { fullTime } from './time.js';

export function messageDialog({ author, text, createdAt }) {
  return openDialog(author.displayName, (close) => [
    el('p', { class: 'hint' }, fullTime(createdAt)),
    el('p', { class: 'single-message', dir: 'auto', tabindex: 0 }, text ?? 'Message deleted'),
    el('div', { class: 'buttons' }, el('button', { type: 'button', class: 'primary', autofocus: true, onclick: close }, 'Close')),
  ]);
}
