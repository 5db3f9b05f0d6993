// The form for writing messages and, before the user is known to the server, for choosing a name.

import { describeAccess, waitSentence } from './access_notice.js';
import { announce, el, icon, iconButton, ICONS } from './dom.js';
import { fitToText } from './editing.js';
import { isCancel, isConfirm, isForInputMethod, isSend } from './keyboard.js';
import { clean, cleanName, excessOf, limitOf, tooLongMessage } from './text.js';

/**
 * Calls `on.send(text, replyToId)` for a message, `on.typing()` while the user writes one, `on.editLast()` to edit the last one,
 * `on.named(name)` while the user enters a name, and `on.nameChosen()` when it confirms that. `typingLine` is shown below the field.
 */
export class Composer {
  #on;
  #user;
  #access = { kind: 'open' };
  #replyTo = null;
  #name = el('input', { id: 'name', autocomplete: 'nickname', spellcheck: 'false' });
  #identity = el('p', { class: 'identity' });
  #reply = el('p', { class: 'replying', hidden: true });
  #field = el('textarea', {
    id: 'text', rows: 1, dir: 'auto', placeholder: 'Write a message', 'aria-label': 'Message',
    'aria-describedby': 'keys access too-long', enterkeyhint: 'enter',
  });
  #tooLong = el('p', { id: 'too-long', class: 'too-long', role: 'status' });
  #notice = el('p', { id: 'access', class: 'access' });
  #limit = limitOf('text');
  #send = el('button', { type: 'submit', class: 'primary send', 'aria-label': 'Send', title: 'Send' }, icon(ICONS.send));

  constructor(user, typingLine, on) {
    this.#on = on;
    this.#user = user;
    const keys = el('span', { id: 'keys', class: 'keys' }, 'Enter sends, Shift + Enter starts a new line');
    this.element = el(
      'form',
      { class: 'composer', 'aria-label': 'Write a message' },
      this.#notice,
      this.#identity,
      this.#reply,
      el('div', { class: 'field' }, this.#field, this.#send),
      this.#tooLong,
      el('div', { class: 'below' }, typingLine, keys),
    );
    this.#listen();
    this.showUser(user);
  }

  /** Shows the name of the user, as a field until the server knows it. */
  showUser(user) {
    this.#user = user;
    const { displayName, isKnown } = user;
    const isOpen = ['open', 'slow'].includes(this.#access.kind);
    if (!isOpen) {
      this.#identity.replaceChildren();
    } else if (isKnown) {
      this.#identity.replaceChildren(...(displayName ? ['You are ', el('strong', { dir: 'auto' }, displayName)] : []));
    } else if (!this.#name.isConnected) {
      this.#name.value = displayName;
      const join = el('button', { type: 'button', class: 'small join', onclick: () => this.#confirmName() }, 'Join');
      this.#identity.replaceChildren(el('label', { for: 'name' }, 'Your name'), this.#name, join);
    }
  }

  /** Shows whether the user may write: a state of `WriteAccess`. */
  showAccess(access) {
    const wasOpen = ['open', 'slow'].includes(this.#access.kind);
    this.#access = access;
    const isOpen = ['open', 'slow'].includes(access.kind);
    this.element.classList.toggle('closed', !isOpen);
    this.element.classList.toggle('waiting', access.kind === 'slow');
    // Shown by the style sheet, because the name of the button stays.
    this.#send.dataset.countdown = access.kind === 'slow' ? access.seconds : '';
    this.#send.disabled = !isOpen;
    this.#field.disabled = !isOpen;
    this.#notice.replaceChildren(...describeAccess(access));
    this.#notice.hidden = this.#notice.textContent === '';
    if (isOpen !== wasOpen && access.kind !== 'ended') announce(isOpen ? 'You can write again.' : this.#notice.textContent);
    if (!isOpen) this.replyTo(null);
    this.showUser(this.#user);
  }

  /** Makes the next message a reply to this one; with null, to none. */
  replyTo(message) {
    this.#replyTo = message;
    this.#reply.hidden = !message;
    if (!message) return this.#reply.replaceChildren();
    const name = message.author.id === this.#user.id ? 'yourself' : message.author.displayName;
    this.#reply.replaceChildren(
      icon(ICONS.reply),
      el('span', { class: 'replying-to' }, 'Replying to ', el('bdi', {}, el('strong', {}, name)), ': ', el('bdi', {}, message.text ?? '')),
      iconButton('Do not reply', ICONS.close, { onclick: () => this.#stopReply() }),
    );
    this.focus();
  }

  /** Stops replying to a message that was deleted. */
  forget(messageId) {
    if (this.#replyTo?.id === messageId) this.replyTo(null);
  }

  focus() {
    this.#field.focus();
  }

  /** Shows in the field why it stays disabled. */
  end(reason) {
    this.#field.placeholder = reason;
  }

  #listen() {
    this.element.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#field.addEventListener('input', () => {
      fitToText(this.#field);
      const text = clean(this.#field.value);
      this.#showExcess(text);
      if (text !== '') this.#on.typing();
    });
    this.#field.addEventListener('keydown', (event) => {
      if (isSend(event)) this.element.requestSubmit();
      else if (event.key === 'ArrowUp' && this.#field.value === '' && !isForInputMethod(event)) this.#on.editLast();
      else if (isCancel(event) && this.#replyTo) this.#stopReply();
      else return;
      event.preventDefault();
    });
    this.#name.addEventListener('input', () => this.#on.named(cleanName(this.#name.value)));
    this.#name.addEventListener('blur', () => (this.#name.value = this.#user.displayName));
    this.#name.addEventListener('keydown', (event) => {
      if (!isConfirm(event)) return;
      event.preventDefault();
      this.#confirmName();
    });
  }

  #submit() {
    const text = clean(this.#field.value);
    if (text === '' || this.#field.disabled) return this.focus();
    const excess = this.#showExcess(text);
    const problem = excess > 0 ? tooLongMessage(excess, this.#limit) : waitSentence(this.#access);
    if (problem) {
      announce(`Not sent. ${problem}`);
      return this.focus();
    }
    this.#field.value = '';
    fitToText(this.#field);
    const replyToId = this.#replyTo?.id ?? null;
    this.replyTo(null);
    this.#on.send(text, replyToId);
    this.focus();
  }

  #confirmName() {
    this.focus();
    this.#on.nameChosen();
  }

  #stopReply() {
    this.replyTo(null);
    this.focus();
  }

  /** Shows by how much the text is too long, if it is. Returns the number of excess characters. */
  #showExcess(text) {
    const excess = excessOf(text, this.#limit);
    const problem = excess > 0 ? tooLongMessage(excess, this.#limit) : '';
    if (this.#tooLong.textContent !== problem) this.#tooLong.textContent = problem;
    this.#field.setAttribute('aria-invalid', String(excess > 0));
    return excess;
  }
}
