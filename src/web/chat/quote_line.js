// The line above a reply with the beginning of the message that it answers.

import { el, icon, ICONS } from './dom.js';

/** Maximum characters of the text in the line; it is one line high in any case. */
const MAX_TEXT = 200;

/**
 * Returns the line: a button that calls `onJump()`, or only text without it. `message` is null if it cannot be found. `userId` is the
 * user of this page.
 */
export function quoteLine(message, userId, onJump) {
  const content = [icon(ICONS.reply), ...describe(message, userId)];
  if (!onJump || !message) return el('p', { class: 'quote' }, ...content);
  const hint = el('span', { class: 'visually-hidden' }, 'In reply to ');
  return el('button', { type: 'button', class: 'quote', tabindex: -1, data: { part: 'quote' }, onclick: onJump }, hint, ...content);
}

/** The author and the text of a message, as elements. */
function describe(message, userId) {
  if (message === undefined) return [el('span', { class: 'quote-text' }, '…')];
  if (message === null) return [el('span', { class: 'quote-text' }, 'This message cannot be found')];
  const { author, text } = message;
  const name = author.id === userId ? 'You' : author.displayName;
  return [
    el('strong', { class: 'quote-name', dir: 'auto' }, name),
    ' ',
    el('span', { class: 'quote-text', dir: 'auto' }, text === null ? 'Message deleted' : text.slice(0, MAX_TEXT)),
  ];
}

/** What a quote line shows, as a string that changes with it. */
export const lookOfQuote = (message) => (message ? `${message.editedAt} ${message.deletedAt}` : String(message));
