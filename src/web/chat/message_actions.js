// What a user can do with a message: its buttons and its menu.

import { el, iconButton, ICONS } from './dom.js';
import { toggleEmojiPicker } from './emoji_picker.js';
import { toggleMenu } from './menu.js';

/**
 * The buttons next to a message, or null if the user can do nothing. On a touch screen, everything is in the menu.
 *
 * Calls `on.toggleReaction(message, emoji)`, `on.reply(message)`, `on.edit(message)`, `on.remove(message)`, for the owner
 * `on.removeAsOwner(message)` and `on.ban(user)`, and `on.restoreFocus(message, part)`: the row may have been created again.
 */
export function actionButtons(message, look, on) {
  const { canAct } = look;
  const isTouch = matchMedia('(hover: none)').matches;
  const focus = (part) => () => on.restoreFocus(message, part);
  const pick = (anchor, part) => toggleEmojiPicker(anchor, (emoji) => on.toggleReaction(message, emoji), focus(part));
  const own = ownItems(message, look, on);
  const always = canAct
    ? [
        { label: 'React', icon: ICONS.react, action: () => pick(more, 'more') },
        { label: 'Reply', icon: ICONS.reply, action: () => on.reply(message) },
      ]
    : [];
  const items = isTouch ? [...always, ...own] : own;
  const more = button('More', ICONS.more, 'more', 'menu', () => toggleMenu(more, 'Message', items, focus('more')));
  const react = button('React', ICONS.react, 'react', 'dialog', () => pick(react, 'react'));
  const reply = button('Reply', ICONS.reply, 'reply', null, () => on.reply(message));
  const buttons = [canAct && !isTouch && react, canAct && !isTouch && reply, items.length > 0 && more].filter(Boolean);
  return buttons.length > 0 ? el('div', { class: 'actions' }, ...buttons) : null;
}

/** The items for the author and for the owner of the room. */
function ownItems(message, { isMine, isOwner, canAct, isEnded }, on) {
  const { author, authorRole } = message;
  if (isEnded) return [];
  if (isMine) {
    return [
      canAct && { label: 'Edit', icon: ICONS.edit, action: () => on.edit(message) },
      { label: 'Delete', icon: ICONS.remove, isDanger: true, action: () => on.remove(message) },
    ].filter(Boolean);
  }
  if (!isOwner) return [];
  return [
    { label: 'Remove message', icon: ICONS.remove, isDanger: true, action: () => on.removeAsOwner(message) },
    authorRole !== 'OWNER' && { label: `Ban ${author.displayName}`, icon: ICONS.ban, isDanger: true, action: () => on.ban(author) },
  ].filter(Boolean);
}

function button(label, path, part, popup, onclick) {
  return iconButton(label, path, { tabindex: -1, data: { part }, 'aria-haspopup': popup, 'aria-expanded': popup && 'false', onclick });
}
