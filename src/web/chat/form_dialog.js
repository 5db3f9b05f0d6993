// A dialog with a form that is submitted to the server. It stays open, with the reason, until the server has accepted it.

import { openDialog } from './dialogs.js';
import { el } from './dom.js';

/**
 * Shows `fields` in a form with the button `action`. Submitting calls `submit()`, which returns a promise; the dialog closes when it
 * resolves. `below` are further elements. Resolves when the dialog is closed.
 */
export function formDialog(title, { fields, action, isDanger, submit, below = () => [] }) {
  return openDialog(title, (close) => {
    const problem = el('p', { class: 'problem-note', role: 'alert' });
    const button = el('button', { type: 'submit', class: isDanger ? 'danger' : 'primary' }, action);
    const form = el(
      'form',
      {},
      ...fields,
      problem,
      el('div', { class: 'buttons' }, el('button', { type: 'button', onclick: close }, 'Cancel'), button),
    );
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      problem.textContent = '';
      button.disabled = true;
      try {
        await submit();
        close();
      } catch (error) {
        problem.textContent = error.message;
      }
      button.disabled = false;
    });
    return [form, ...below(close)];
  });
}

/** A labelled field. `hint` explains it. */
export function labelled(label, field, hint) {
  const hintId = `${field.id}-hint`;
  if (hint) field.setAttribute('aria-describedby', hintId);
  return el('div', { class: 'labelled' }, el('label', { for: field.id }, label), field, hint ? el('p', { id: hintId, class: 'hint' }, hint) : null);
}

/** A checkbox with its label. */
export function checkbox(id, label, isChecked, hint) {
  const box = el('input', { id, type: 'checkbox', 'aria-describedby': hint ? `${id}-hint` : null });
  box.checked = isChecked;
  const text = el('span', {}, el('label', { for: id }, label), hint ? el('span', { id: `${id}-hint`, class: 'hint' }, hint) : null);
  return { box, element: el('div', { class: 'checkbox' }, box, text) };
}

/** A list of choices: `[[value, label]]`. */
export function choices(id, options, selected) {
  const field = el('select', { id }, ...options.map(([value, label]) => el('option', { value }, label)));
  field.value = selected;
  return field;
}
