// Where a message is written, and where one says who one is before the first.

import { el, icon, ICONS } from './dom.js';
import { me, rename } from './identity.js';
import { clean, fit, isSend } from './message.js';

/** The composer. `on.send(text)`; `on.editLast()` when somebody wants to change what was said last. */
export class Composer {
  #name = el('input', { id: 'name', maxlength: 64, autocomplete: 'nickname', spellcheck: 'false' });
  #who = el('p', { class: 'who' });
  #field = el('textarea', {
    id: 'text', rows: 1, maxlength: 4000, dir: 'auto', placeholder: 'Write a message', 'aria-label': 'Message',
    'aria-describedby': 'keys', enterkeyhint: 'enter',
  });
  #send = el('button', { type: 'submit', class: 'primary send', 'aria-label': 'Send', title: 'Send' }, icon(ICONS.send));

  constructor(on) {
    const keys = el('span', { id: 'keys', class: 'keys' }, 'Enter sends, Shift + Enter begins a new line');
    this.element = el(
      'form',
      { class: 'composer', 'aria-label': 'Write a message' },
      this.#who,
      el('div', { class: 'field' }, this.#field, this.#send),
      keys,
    );
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      const text = clean(this.#field.value);
      if (text === '' || this.#field.disabled) return this.focus();
      this.#field.value = '';
      fit(this.#field);
      on.send(text);
      this.focus();
    });
    this.#field.addEventListener('input', () => fit(this.#field));
    this.#field.addEventListener('keydown', (event) => {
      if (isSend(event)) this.element.requestSubmit();
      else if (event.key === 'ArrowUp' && this.#field.value === '') on.editLast();
      else return;
      event.preventDefault();
    });
    this.#name.addEventListener('input', () => rename(clean(this.#name.value)));
    this.#name.addEventListener('blur', () => (this.#name.value = me().name));
    this.#name.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter') return;
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

  /** Takes no more, and says why. */
  end(reason) {
    this.#field.disabled = true;
    this.#send.disabled = true;
    this.#field.placeholder = reason;
    this.#who.replaceChildren();
  }
}
