// What is asked and shown above the page: the link to share, and whether to delete a message.

import { announce, el } from './dom.js';
import { linkTo } from './link.js';

/** Shows the link of a room, ready to be copied. */
export function shareDialog(room) {
  const link = linkTo(room);
  const field = el('input', { id: 'link', class: 'link-field', readonly: true, value: link, onfocus: () => field.select() });
  const copy = el('button', { type: 'button', class: 'primary', autofocus: true }, 'Copy link');
  copy.addEventListener('click', async () => {
    const isCopied = await copied(link, field);
    copy.textContent = isCopied ? 'Copied' : 'Press Ctrl + C';
    announce(isCopied ? 'The link was copied' : 'The link is selected, ready to be copied');
  });
  const share = navigator.share
    ? el('button', { type: 'button', onclick: () => navigator.share({ title: 'LiveChat', url: link }).catch(() => {}) }, 'Share…')
    : null;
  return open('Invite people', (close) => [
    el('p', {}, 'Whoever has this link can come in, read, and write. It works as long as the room lives.'),
    el('label', { for: 'link' }, 'Link to this room'),
    field,
    el('details', {}, el('summary', {}, 'Room id and code'), el('p', { class: 'id-code' }, `${room.id} ${room.code}`)),
    el('div', { class: 'buttons' }, el('button', { type: 'button', onclick: close }, 'Close'), share, copy),
  ]);
}

/** Asks whether to delete a message; true for yes. */
export async function confirmDelete() {
  let isWanted = false;
  await open('Delete this message?', (close) => {
    const yes = () => {
      isWanted = true;
      close();
    };
    return [
      el('p', {}, 'Its text is gone for good, for everybody.'),
      el(
        'div',
        { class: 'buttons' },
        el('button', { type: 'button', onclick: close }, 'Cancel'),
        el('button', { type: 'button', class: 'danger', autofocus: true, onclick: yes }, 'Delete'),
      ),
    ];
  });
  return isWanted;
}

/** Opens a dialog and resolves when it is closed, by Escape too; the focus goes back to where it was. */
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

async function copied(text, field) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not in a secure context, or forbidden: the older way.
    field.select();
    return document.execCommand('copy');
  }
}
