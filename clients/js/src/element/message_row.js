// One message of <live-chat>.

import { el, hidden } from './dom.js';

/** @import { Message, PendingMessage, RoomState } from '../index.js' */

/**
 * @typedef {object} RowActions
 * @property {(message: Message) => void} reply
 * @property {(message: Message) => void} edit
 * @property {(message: Message) => void} remove
 * @property {(message: Message) => void} ban
 * @property {(message: Message, emoji: string) => void} toggle
 * @property {(message: PendingMessage) => void} retry
 * @property {(message: PendingMessage) => void} discard
 */

/** What a reader can react with at once. Others' reactions can be joined, too. */
const EMOJI = '👍';

const DELETED = 'Message deleted';

/**
 * @param {Message | PendingMessage} message
 * @param {RoomState} state
 * @param {RowActions} on
 */
export function messageRow(message, state, on) {
  const { author, createdAt, text, replyToId, editedAt } = message;
  const target = replyToId && state.messages.find(({ id }) => id === replyToId);
  const time = new Date(createdAt).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  const isPending = message.status !== 'sent';
  const role = message.authorRole === 'OWNER' ? ' (owner)' : '';
  const name = el('span', { class: 'name', dir: 'auto' }, author.displayName || 'You');
  const about = [`${role} `, el('time', { datetime: createdAt }, time), editedAt ? ' (edited)' : ''];
  const quote = target ? `${target.author.displayName}: ${target.text ?? DELETED}` : 'An earlier message';
  return el(
    'li',
    { class: isPending ? `pending ${message.status}` : null },
    el('div', {}, name, el('span', { class: 'muted' }, ...about)),
    replyToId ? el('p', { class: 'quote muted', dir: 'auto' }, quote) : null,
    text === null ? el('p', { class: 'text muted' }, DELETED) : el('p', { class: 'text', dir: 'auto' }, text),
    isPending ? pendingNote(message, on) : text === null ? null : actions(message, state, on),
  );
}

/**
 * @param {PendingMessage} message
 * @param {RowActions} on
 */
function pendingNote(message, on) {
  const { status, error } = message;
  if (status !== 'failed') return el('div', { class: 'note muted' }, status === 'sending' ? 'Sending…' : 'Waiting to send…');
  return el(
    'div',
    { class: 'actions' },
    el('span', { class: 'note muted' }, `Not sent: ${error?.message}`),
    el('button', { type: 'button', onclick: () => on.retry(message) }, 'Try again'),
    el('button', { type: 'button', onclick: () => on.discard(message) }, 'Discard'),
  );
}

/**
 * @param {Message} message
 * @param {RoomState} state
 * @param {RowActions} on
 */
function actions(message, { user, isOwner }, on) {
  const isMine = message.author.id === user.id;
  const { reactions, myReactions } = message;
  const shown = reactions.some(({ emoji }) => emoji === EMOJI) ? reactions : [...reactions, { emoji: EMOJI, count: 0 }];
  const reactionButtons = shown.map(({ emoji, count }) => {
    const react = button(`react ${emoji}`, () => on.toggle(message, emoji));
    const labels = { 'aria-pressed': String(myReactions.includes(emoji)), 'aria-label': `React with ${emoji}, ${count} so far` };
    return el('button', { ...react, ...labels }, count ? `${emoji} ${count}` : emoji);
  });
  const { displayName } = message.author;
  const canBan = isOwner && !isMine && message.authorRole !== 'OWNER';
  return el(
    'div',
    { class: 'actions' },
    ...reactionButtons,
    el('button', button('reply', () => on.reply(message)), 'Reply', hidden(` to ${displayName}`)),
    isMine ? el('button', button('edit', () => on.edit(message)), 'Edit') : null,
    isMine || isOwner ? el('button', button('remove', () => on.remove(message)), 'Delete') : null,
    canBan ? el('button', button('ban', () => on.ban(message)), 'Ban', hidden(` ${displayName}`)) : null,
  );
}

/**
 * Properties of a button. Its name finds it again when the row is replaced.
 *
 * @param {string} action
 * @param {() => void} onclick
 */
const button = (action, onclick) => ({ type: 'button', 'data-action': action, onclick });
