// Menus of a button, for the mouse and the keyboard.

import { el, icon } from './dom.js';
import { openPopover } from './popover.js';

const closers = new WeakMap();

/**
 * Opens a menu at a button, or closes it. `items` are `{ label, icon, isDanger, action }` or null. `restoreFocus()` is called before
 * an action, and when the menu is closed with the keyboard.
 */
export function toggleMenu(anchor, label, items, restoreFocus = () => anchor.focus()) {
  if (closers.has(anchor)) return closers.get(anchor)();
  const buttons = items.filter(Boolean).map((item) =>
    el(
      'button',
      { type: 'button', role: 'menuitem', tabindex: -1, class: item.isDanger ? 'menu-item danger-item' : 'menu-item', onclick: () => choose(item) },
      item.icon ? icon(item.icon) : null,
      el('span', { dir: 'auto' }, item.label),
    ),
  );
  const menu = el('div', { class: 'menu', role: 'menu', 'aria-label': label }, ...buttons);
  const close = openPopover(menu, anchor, (isFocusLost) => {
    closers.delete(anchor);
    if (isFocusLost) restoreFocus();
  });
  closers.set(anchor, close);
  const choose = ({ action }) => {
    close();
    action();
  };
  menu.addEventListener('keydown', (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === 'Tab') close();
    if (to === undefined) return;
    event.preventDefault();
    buttons.at(to % buttons.length).focus();
  });
  buttons[0].focus();
}
