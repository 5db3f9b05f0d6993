// The row of a message that is being edited.

import { el } from './dom.js';
import { isCancel, isSend } from './keyboard.js';
import { row } from './message.js';
import { clean, excessOf, limitOf, tooLongMessage } from './text.js';

/** Returns the row. Calls `on.save(text, showStatus)` and `on.cancel()`. */
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
  const item = row(look, message, form);
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
