// The row of one message, sent or pending.

import { avatar, marks } from './avatar.js';
import { el, icon, ICONS } from './dom.js';
import { actionButtons } from './message_actions.js';
import { quoteLine } from './quote_line.js';
import { clockTime, fullTime, waitOf } from './time.js';

/** Errors after which a message is sent once the wait that the server demands is over. */
const WAITS = { RATE_LIMITED: 'Too many messages', SLOW_MODE: 'Slow mode' };

/**
 * The row of a message. `look` says how it appears to this user:
 * - `isGrouped`: the name is hidden because the previous message has the same author;
 * - `isMine`, `isOwner`, `canAct`, `isEnded`: which actions the user has;
 * - `reactions`: `[{ emoji, count, isMine }]`;
 * - `quote`: the message that this one answers, null if there is none, undefined while it is being loaded;
 * - `userId`: the user of this page.
 *
 * Calls `on.jump(messageId)`, `on.toggleReaction(message, emoji)`, and those that message_actions.js explains.
 */
export function messageRow(message, look, on) {
  const { text, deletedAt, editedAt } = message;
  const isDeleted = deletedAt !== null;
  const note = editedAt && !isDeleted ? el('span', { class: 'edited', title: `Edited ${fullTime(editedAt)}` }, ' (edited)') : null;
  const body = isDeleted ? el('p', { class: 'text deleted' }, deletionOf(message)) : el('p', { class: 'text', dir: 'auto' }, text, note);
  return row(
    look,
    message,
    message.replyToId && !isDeleted ? quoteLine(look.quote, look.userId, () => on.jump(message.replyToId)) : null,
    el('div', { class: 'line' }, el('div', { class: 'bubble' }, body), isDeleted ? null : actionButtons(message, look, on)),
    isDeleted ? null : reactionChips(message, look, on),
  );
}

/** The row of a message that is not sent yet, with its state. */
export function pendingRow(message, look, on) {
  const { status, author, createdAt } = message;
  const note = el('p', { class: 'note' }, noteOf(message));
  if (status === 'failed') {
    note.prepend('Not sent. ');
    note.append(
      ' ',
      el('button', { type: 'button', class: 'link', onclick: on.retry }, 'Try again'),
      ' ',
      el('button', { type: 'button', class: 'link', onclick: on.discard }, 'Discard'),
    );
  }
  const bubble = el('div', { class: 'bubble' }, el('p', { class: 'text', dir: 'auto' }, message.text));
  const quote = message.replyToId ? quoteLine(look.quote, author.id, null) : null;
  const item = row({ ...look, isMine: true }, { author, createdAt }, quote, el('div', { class: 'line' }, bubble), note);
  item.classList.add('pending', status);
  return item;
}

/** Why a message is not sent yet. */
export function noteOf({ status, error }) {
  if (status === 'sending') return 'Sending…';
  if (status === 'failed') return error.message;
  const reason = WAITS[error.code];
  return reason ? `${reason}, sending in ${waitOf(Math.ceil(error.retryAfterMs / 1_000))}` : 'Waiting to send…';
}

/** The parts that all rows have, around `content`. */
export function row({ isGrouped, isMine }, { author, authorRole, createdAt }, ...content) {
  const name = el('span', { class: isGrouped ? 'visually-hidden' : 'name', dir: 'auto' }, isMine ? 'You' : author.displayName);
  const time = el('time', { datetime: createdAt, title: fullTime(createdAt) }, clockTime(createdAt));
  const head = el('div', { class: 'head' }, name, ...(isGrouped ? [] : marks(author, authorRole)), ' ', time);
  const classes = ['row', isGrouped && 'grouped', isMine && 'mine'].filter(Boolean).join(' ');
  const face = isGrouped ? el('span', { class: 'avatar' }) : avatar(author);
  return el('li', { class: classes }, face, el('div', { class: 'message-body' }, head, ...content));
}

function deletionOf({ deletedBy, authorRole }) {
  return deletedBy === 'OWNER' && authorRole !== 'OWNER' ? 'Message removed by the owner' : 'Message deleted';
}

function reactionChips(message, { reactions, canAct }, on) {
  if (reactions.length === 0) return null;
  const chips = reactions.map(({ emoji, count, isMine }) => {
    const label = `${emoji}, ${count} ${count === 1 ? 'reaction' : 'reactions'}`;
    const attributes = { type: 'button', class: 'chip', 'aria-pressed': String(isMine), 'aria-label': label, disabled: !canAct };
    const toggle = () => on.toggleReaction(message, emoji);
    return el('li', {}, el('button', { ...attributes, tabindex: -1, data: { part: `chip ${emoji}` }, onclick: toggle }, el('span', { class: 'emoji-text' }, emoji), count));
  });
  return el('ul', { class: 'reactions', 'aria-label': 'Reactions' }, ...chips);
}

/** The separator between two days. */
export const dayRow = (name) => el('li', { class: 'day' }, el('span', {}, name));

/** The content of a room without messages. */
export function emptyRoom(onShare) {
  return el(
    'div',
    { class: 'empty' },
    el('span', { class: 'empty-mark' }, icon('M12 3c-5 0-9 3.5-9 8 0 2.5 1.3 4.7 3.3 6.1L6 21l4.2-2.2c.6.1 1.2.2 1.8.2 5 0 9-3.5 9-8s-4-8-9-8z')),
    el('h2', {}, 'No messages yet'),
    el('p', {}, 'Write the first one, or invite people: everybody with the link can enter.'),
    el('button', { type: 'button', class: 'primary', onclick: onShare }, 'Invite people'),
  );
}
