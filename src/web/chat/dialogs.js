// Dialogs: the link to share, and the confirmation of a deletion.

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
  return open('Invite people', (close) => [
    el('p', {}, 'Everybody with this link can enter, read and write. It works until the room ends.'),
    el('label', { for: 'link' }, 'Link to this room'),
    field,
    el('details', {}, el('summary', {}, 'Room id and code'), el('p', { class: 'id-code' }, `${room.id} ${room.code}`)),
    el('div', { class: 'buttons' }, el('button', { type: 'button', onclick: close }, 'Close'), share, copyButton),
  ]);
}

/** Asks whether to delete a message. Resolves to true or false. */
export async function confirmDelete() {
  let isConfirmed = false;
  await open('Delete this message?', (close) => {
    const confirm = () => {
      isConfirmed = true;
      close();
    };
    return [
      el('p', {}, 'Its text will be deleted for everybody. This cannot be undone.'),
      el(
        'div',
        { class: 'buttons' },
        el('button', { type: 'button', onclick: close }, 'Cancel'),
        el('button', { type: 'button', class: 'danger', autofocus: true, onclick: confirm }, 'Delete'),
      ),
    ];
  });
  return isConfirmed;
}

/** Opens a dialog and resolves when it is closed, also with Escape. The browser then restores the focus. */
function open(title, content) {
  return new Promise((resolve) => {
    const dialog = el('dialog', { 'aria-labelledby': 'dialog-title' });
    const close = () => dialog.close();
    dialog.append(el('h2', { id: 'dialog-title' }, title), ...content(close).filter(Boolean));
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
