// The form for writing messages and, before the first message, for choosing a name.

import { announce, el, icon, ICONS } from './dom.js';
import { currentUser, setName } from './identity.js';
import { isConfirm, isForInputMethod, isSend } from './keyboard.js';
import { fitToText } from './message.js';
import { clean, cleanName, excessOf, limitOf, tooLongMessage } from './text.js';

/** Calls `on.send(text)` for a message, and `on.editLast()` to edit the last one. */
export class Composer {
  #name = el('input', { id: 'name', autocomplete: 'nickname', spellcheck: 'false' });
  #identity = el('p', { class: 'identity' });
  #field = el('textarea', {
    id: 'text', rows: 1, dir: 'auto', placeholder: 'Write a message', 'aria-label': 'Message',
    'aria-describedby': 'keys too-long', enterkeyhint: 'enter',
  });
  #tooLong = el('p', { id: 'too-long', class: 'too-long', role: 'status' });
  #limit = limitOf('text');
  #send = el('button', { type: 'submit', class: 'primary send', 'aria-label': 'Send', title: 'Send' }, icon(ICONS.send));

  constructor(on) {
    const keys = el('span', { id: 'keys', class: 'keys' }, 'Enter sends, Shift + Enter starts a new line');
    this.element = el(
      'form',
      { class: 'composer', 'aria-label': 'Write a message' },
      this.#identity,
      el('div', { class: 'field' }, this.#field, this.#send),
      this.#tooLong,
      keys,
    );
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      const text = clean(this.#field.value);
      if (text === '' || this.#field.disabled) return this.focus();
      const excess = this.#showExcess(text);
      if (excess > 0) {
        announce(`Not sent. ${tooLongMessage(excess, this.#limit)}`);
        return this.focus();
      }
      this.#field.value = '';
      fitToText(this.#field);
      on.send(text);
      this.focus();
    });
    this.#field.addEventListener('input', () => {
      fitToText(this.#field);
      this.#showExcess(clean(this.#field.value));
    });
    this.#field.addEventListener('keydown', (event) => {
      if (isSend(event)) this.element.requestSubmit();
      else if (event.key === 'ArrowUp' && this.#field.value === '' && !isForInputMethod(event)) on.editLast();
      else return;
      event.preventDefault();
    });
    this.#name.addEventListener('input', () => setName(cleanName(this.#name.value)));
    this.#name.addEventListener('blur', () => (this.#name.value = currentUser().name));
    this.#name.addEventListener('keydown', (event) => {
      if (!isConfirm(event)) return;
      event.preventDefault();
      this.focus();
    });
    this.showIdentity();
  }

  /** Shows the name of the user, as a field until the first message is sent. */
  showIdentity() {
    const { name, isKnown } = currentUser();
    if (isKnown) {
      this.#identity.replaceChildren('You are ', el('strong', { dir: 'auto' }, name));
    } else if (!this.#name.isConnected) {
      this.#name.value = name;
      this.#identity.replaceChildren(el('label', { for: 'name' }, 'Your name'), this.#name);
    }
  }

  focus() {
    this.#field.focus();
  }

  /** Shows by how much the text is too long, if it is. Returns the number of excess characters. */
  #showExcess(text) {
    const excess = excessOf(text, this.#limit);
    const problem = excess > 0 ? tooLongMessage(excess, this.#limit) : '';
    if (this.#tooLong.textContent !== problem) this.#tooLong.textContent = problem;
    this.#field.setAttribute('aria-invalid', String(excess > 0));
    return excess;
  }

  /** Disables the form and shows the reason. */
  end(reason) {
    this.#field.disabled = true;
    this.#send.disabled = true;
    this.#field.placeholder = reason;
    this.#identity.replaceChildren();
  }
}
