// The line that shows who else is typing. Screen readers find it, but it does not interrupt them.

import { el } from './dom.js';

export class TypingLine {
  element = el('p', { class: 'typing' });
  #shown = '[]';

  show(users) {
    const names = users.map(({ displayName }) => displayName);
    const shown = JSON.stringify(names);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.element.replaceChildren(...sentence(names));
  }
}

function sentence(names) {
  const [first, second] = names.map((name) => el('bdi', {}, name));
  if (names.length === 0) return [];
  if (names.length === 1) return [first, ' is typing…'];
  if (names.length === 2) return [first, ' and ', second, ' are typing…'];
  return [`${names.length} people are typing…`];
}
