// Dialogs: how they open, the confirmation of an action, and the link to share.

import { announce, el } from './dom.js';
import { linkTo } from './link.js';

/** Shows the link of a room, to copy or share. */
export function shareDialog(room) {
  const link = linkTo(room);
  const field = el('input', { id: 'link', class: 'link-field', readonly: true, value: link, onfocus: () => field.select() });
  const copyButton = el('button', { type: 'button', class: 'primary', autofocus: true }, 'Copy link');
  copyButton.addEventListener('click', async () => {
    const isCopied = await copy(link, field);
    copyButton.textContent = isCopied ? 'Copied' : 'Press Ctrl + C';
    announce(isCopied ? 'Link copied' : 'The link is selected. Copy it with Ctrl + C');
  });
  const share = navigator.share
    ? el('button', { type: 'button', onclick: () => navigator.share({ title: 'LiveChat', url: link }).catch(() => {}) }, 'Share…')
    : null;
  return openDialog('Invite people', (close) => [
    el('p', {}, 'Everybody with this link can enter, read and write. It works until the room ends.'),
    el('label', { for: 'link' }, 'Link to this room'),
    field,
    el('details', {}, el('summary', {}, 'Room id and code'), el('p', { class: 'id-code' }, `${room.id} ${room.code}`)),
    el('div', { class: 'buttons' }, el('button', { type: 'button', onclick: close }, 'Close'), share, copyButton),
  ]);
}

/** Asks whether to do something. Resolves to true or false. */
export async function confirm(question, explanation, action) {
  let isConfirmed = false;
  await openDialog(question, (close) => {
    const accept = () => {
      isConfirmed = true;
      close();
    };
    return [
      el('p', {}, explanation),
      el(
        'div',
        { class: 'buttons' },
        el('button', { type: 'button', onclick: close }, 'Cancel'),
        el('button', { type: 'button', class: 'danger', autofocus: true, onclick: accept }, action),
      ),
    ];
  });
  return isConfirmed;
}

/** Opens a dialog and resolves when it is closed, also with Escape. The browser then restores the focus. */
export function openDialog(title, content) {
  return new Promise((resolve) => {
    const titleId = `dialog-title-${document.querySelectorAll('dialog').length}`;
    const dialog = el('dialog', { 'aria-labelledby': titleId });
    const close = () => dialog.close();
    dialog.append(el('h2', { id: titleId, dir: 'auto' }, title), ...content(close).filter(Boolean));
    dialog.addEventListener('click', (event) => event.target === dialog && close());
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Copies a text. Returns whether that worked. */
async function copy(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not allowed, or not in a secure context: try the older API.
    field.select();
    return document.execCommand('copy');
  }
}
