// The row of one message: sent, pending, or being edited.

import { el, icon, iconButton, ICONS } from './dom.js';
import { isCancel, isSend } from './keyboard.js';
import { initials, tone } from './names.js';
import { clean, excessOf, limitOf, tooLongMessage } from './text.js';
import { clockTime, fullTime } from './time.js';

/**
 * The row of a message. `look.isGrouped` hides the name because the previous message has the same author. `look.isMine` adds
 * buttons, which call `on.edit(message)` and `on.remove(message)`.
 */
export function messageRow(message, look, on) {
  const { author, text, deletedAt, editedAt } = message;
  const isDeleted = deletedAt !== null;
  const note = editedAt && !isDeleted ? el('span', { class: 'edited', title: `Edited ${fullTime(editedAt)}` }, ' (edited)') : null;
  const body = isDeleted ? el('p', { class: 'text deleted' }, 'Message deleted') : el('p', { class: 'text', dir: 'auto' }, text, note);
  const actions = look.isMine && !isDeleted ? actionButtons(message, on) : null;
  return row(look, author, message.createdAt, el('div', { class: 'bubble' }, body), actions);
}

/** The row of a message that is not sent yet, with its state. */
export function pendingRow(entry, look, user, on) {
  const note = el('p', { class: 'note' }, entry.state === 'sending' ? 'Sending…' : entry.note);
  if (entry.state === 'failed') {
    note.prepend('Not sent. ');
    note.append(
      ' ',
      el('button', { type: 'button', class: 'link', onclick: () => on.retry(entry) }, 'Try again'),
      ' ',
      el('button', { type: 'button', class: 'link', onclick: () => on.discard(entry) }, 'Discard'),
    );
  }
  const bubble = el('div', { class: 'bubble' }, el('p', { class: 'text', dir: 'auto' }, entry.text));
  const author = { id: user.userId, displayName: user.name };
  const item = row({ ...look, isMine: true }, author, new Date(entry.at).toISOString(), bubble, note);
  item.classList.add('pending', entry.state);
  return item;
}

/** The row of a message that is being edited. Calls `on.save(text, showStatus)` and `on.cancel()`. */
export function editingRow(message, look, on) {
  const problem = el('p', { class: 'note', role: 'status' });
  const field = el('textarea', { 'aria-label': 'Edit your message', rows: 1, dir: 'auto' });
  const limit = limitOf('text');
  const showExcess = (text) => {
    const excess = excessOf(text, limit);
    problem.textContent = excess > 0 ? tooLongMessage(excess, limit) : '';
    field.setAttribute('aria-invalid', String(excess > 0));
    return excess;
  };
  const save = el('button', { type: 'submit', class: 'small primary' }, 'Save');
  const form = el(
    'form',
    { class: 'editing' },
    field,
    el('div', { class: 'editing-buttons' }, problem, el('button', { type: 'button', class: 'small', onclick: on.cancel }, 'Cancel'), save),
  );
  field.value = message.text;
  field.addEventListener('input', () => {
    fitToText(field);
    showExcess(clean(field.value));
  });
  field.addEventListener('keydown', (event) => {
    if (isCancel(event)) on.cancel();
    else if (isSend(event)) form.requestSubmit();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const text = clean(field.value);
    if (text === '' || text === message.text) return on.cancel();
    if (showExcess(text) > 0) return field.focus();
    save.disabled = true;
    field.readOnly = true;
    await on.save(text, (sentence) => (problem.textContent = sentence));
    save.disabled = false;
    field.readOnly = false;
  });
  const item = row(look, message.author, message.createdAt, form, null);
  requestAnimationFrame(() => {
    fitToText(field);
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  });
  return item;
}

/** Makes a field as high as its text. */
export function fitToText(field) {
  field.style.height = 'auto';
  field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
}

function row({ isGrouped, isMine }, author, timestamp, content, after) {
  const name = el('span', { class: isGrouped ? 'visually-hidden' : 'name', dir: 'auto' }, isMine ? 'You' : author.displayName);
  const time = el('time', { datetime: timestamp, title: fullTime(timestamp) }, clockTime(timestamp));
  const head = el('div', { class: 'head' }, name, ' ', time);
  const avatar = isGrouped ? el('span', { class: 'avatar' }) : el('span', { class: `avatar ${tone(author.id)}`, 'aria-hidden': 'true' }, initials(author.displayName));
  const classes = ['row', isGrouped && 'grouped', isMine && 'mine'].filter(Boolean).join(' ');
  return el('li', { class: classes }, avatar, el('div', { class: 'message-body' }, head, content, after));
}

function actionButtons(message, on) {
  return el(
    'div',
    { class: 'actions' },
    iconButton('Edit', ICONS.edit, { onclick: () => on.edit(message) }),
    iconButton('Delete', ICONS.remove, { onclick: () => on.remove(message) }),
  );
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
