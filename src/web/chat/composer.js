// Where a message is written, and where one says who one is before the first.

import { announce, el, icon, ICONS } from './dom.js';
import { me, rename } from './identity.js';
import { isConfirm, isForInputMethod, isSend } from './keyboard.js';
import { fit } from './message.js';
import { clean, cleanName, excessOf, limitOf, tooLong } from './text.js';

/** The composer. `on.send(text)`; `on.editLast()` when somebody wants to change what was said last. */
export class Composer {
  #name = el('input', { id: 'name', autocomplete: 'nickname', spellcheck: 'false' });
  #who = el('p', { class: 'who' });
  #field = el('textarea', {
    id: 'text', rows: 1, dir: 'auto', placeholder: 'Write a message', 'aria-label': 'Message',
    'aria-describedby': 'keys too-long', enterkeyhint: 'enter',
  });
  #tooLong = el('p', { id: 'too-long', class: 'too-long', role: 'status' });
  #limit = limitOf('text');
  #send = el('button', { type: 'submit', class: 'primary send', 'aria-label': 'Send', title: 'Send' }, icon(ICONS.send));

  constructor(on) {
    const keys = el('span', { id: 'keys', class: 'keys' }, 'Enter sends, Shift + Enter begins a new line');
    this.element = el(
      'form',
      { class: 'composer', 'aria-label': 'Write a message' },
      this.#who,
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
        announce(`Not sent. ${tooLong(excess, this.#limit)}`);
        return this.focus();
      }
      this.#field.value = '';
      fit(this.#field);
      on.send(text);
      this.focus();
    });
    this.#field.addEventListener('input', () => {
      fit(this.#field);
      this.#showExcess(clean(this.#field.value));
    });
    this.#field.addEventListener('keydown', (event) => {
      if (isSend(event)) this.element.requestSubmit();
      else if (event.key === 'ArrowUp' && this.#field.value === '' && !isForInputMethod(event)) on.editLast();
      else return;
      event.preventDefault();
    });
    this.#name.addEventListener('input', () => rename(cleanName(this.#name.value)));
    this.#name.addEventListener('blur', () => (this.#name.value = me().name));
    this.#name.addEventListener('keydown', (event) => {
      if (!isConfirm(event)) return;
      event.preventDefault();
      this.focus();
    });
    this.showWho();
  }

  /** Says who writes: to be chosen until the first message is sent. */
  showWho() {
    const { name, isKnown } = me();
    if (isKnown) {
      this.#who.replaceChildren('You are ', el('strong', { dir: 'auto' }, name));
    } else if (!this.#name.isConnected) {
      this.#name.value = name;
      this.#who.replaceChildren(el('label', { for: 'name' }, 'Your name'), this.#name);
    }
  }

  focus() {
    this.#field.focus();
  }

  /** Says by how much the text is too long, if it is, and gives that. */
  #showExcess(text) {
    const excess = excessOf(text, this.#limit);
    const words = excess > 0 ? tooLong(excess, this.#limit) : '';
    if (this.#tooLong.textContent !== words) this.#tooLong.textContent = words;
    this.#field.setAttribute('aria-invalid', String(excess > 0));
    return excess;
  }

  /** Takes no more, and says why. */
  end(reason) {
    this.#field.disabled = true;
    this.#send.disabled = true;
    this.#field.placeholder = reason;
    this.#who.replaceChildren();
  }
}
