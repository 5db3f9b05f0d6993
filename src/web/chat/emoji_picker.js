// The panel to choose an emoji: some common ones, and a field for any other.

import { el } from './dom.js';
import { isConfirm } from './keyboard.js';
import { openPopover } from './popover.js';

/** Common emoji in the form in which the server counts them, with their names for screen readers. */
const COMMON = [
  ['👍', 'Thumbs up'], ['❤️', 'Heart'], ['😂', 'Tears of joy'], ['🎉', 'Party'], ['😮', 'Surprised'], ['😢', 'Crying'],
  ['🙏', 'Thanks'], ['👏', 'Applause'], ['🔥', 'Fire'], ['👀', 'Eyes'], ['✅', 'Done'], ['👎', 'Thumbs down'],
];

/** Number of emoji in a row. */
const COLUMNS = 6;

const closers = new WeakMap();

/** Opens the panel at a button, or closes it. Calls `choose(emoji)` for an emoji, and `restoreFocus()` when it closes. */
export function toggleEmojiPicker(anchor, choose, restoreFocus = () => anchor.focus()) {
  if (closers.has(anchor)) return closers.get(anchor)();
  const buttons = COMMON.map(([emoji, name]) =>
    el('button', { type: 'button', class: 'emoji', 'aria-label': name, title: name, tabindex: -1, onclick: () => finish(emoji) }, emoji),
  );
  const grid = el('div', { class: 'emoji-grid', role: 'group', 'aria-label': 'Common emoji' }, ...buttons);
  const field = el('input', {
    class: 'emoji-field', 'aria-label': 'Another emoji', placeholder: 'Another emoji', autocomplete: 'off', maxlength: 32,
    'aria-describedby': 'emoji-problem',
  });
  const problem = el('p', { id: 'emoji-problem', class: 'problem-note', role: 'status' });
  const add = el('button', { type: 'button', class: 'small', onclick: () => addTyped() }, 'Add');
  const panel = el(
    'div',
    { class: 'picker', role: 'dialog', 'aria-label': 'React with an emoji' },
    grid,
    el('div', { class: 'emoji-other' }, field, add),
    problem,
  );
  const close = openPopover(panel, anchor, (isFocusLost) => {
    closers.delete(anchor);
    if (isFocusLost) restoreFocus();
  });
  closers.set(anchor, close);
  const finish = (emoji) => {
    close();
    choose(emoji);
  };
  const addTyped = () => {
    const emoji = field.value.trim();
    if (isEmoji(emoji)) return finish(emoji);
    problem.textContent = 'Enter one emoji.';
    field.focus();
  };
  field.addEventListener('keydown', (event) => {
    if (!isConfirm(event)) return;
    event.preventDefault();
    addTyped();
  });
  grid.addEventListener('keydown', (event) => {
    const at = buttons.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: COLUMNS, ArrowUp: -COLUMNS }[event.key];
    if (!step) return;
    event.preventDefault();
    focusEmoji((at + step + buttons.length) % buttons.length);
  });
  const focusEmoji = (at) => {
    buttons.forEach((button, index) => (button.tabIndex = index === at ? 0 : -1));
    buttons[at].focus();
  };
  focusEmoji(0);
}

/** Whether a text may be one emoji. The server decides; this only catches what surely is none. */
const isEmoji = (text) => /^(?:\p{RI}{2}|[0-9#*]\ufe0f?\u20e3|\p{Extended_Pictographic})/u.test(text) && graphemes(text) === 1;

function graphemes(text) {
  if (!globalThis.Intl?.Segmenter) return 1;
  return [...new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)].length;
}
