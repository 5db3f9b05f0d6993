// The dialogs in which the owner of a room changes its settings, bans people, and ends the room.

import { el, hidden } from './dom.js';

/** @import { Ban, Message, Room, RoomSettings } from '../index.js' */

/** Lengths of a ban: seconds, or none for the life of the room. */
const BAN_LENGTHS = { '': 'as long as the room exists', 600: 'for 10 minutes', 3600: 'for an hour' };

/**
 * Asks in a modal dialog. Resolves to whether the user agreed.
 *
 * @param {ShadowRoot} root
 * @param {string} title
 * @param {string} verb What happens then, on the button.
 * @param {...(Node | null)} content
 * @returns {Promise<boolean>}
 */
function ask(root, title, verb, ...content) {
  const cancel = el('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel');
  const buttons = el('div', { class: 'actions' }, el('button', { class: 'primary', value: 'agreed' }, verb), cancel);
  const form = el('form', { method: 'dialog' }, el('h3', {}, title), ...content, buttons);
  const dialog = el('dialog', { 'aria-label': title }, form);
  root.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue === 'agreed');
    });
  });
}

/**
 * @param {string} label
 * @param {HTMLElement} field
 */
const labelled = (label, field) => el('label', { class: 'wide' }, el('span', {}, label), field);

/**
 * Bans the author of a message if the owner agrees.
 *
 * @param {ShadowRoot} root
 * @param {Room} room
 * @param {Message} message
 */
export async function banAuthor(root, room, { author }) {
  const length = el('select', {}, ...Object.entries(BAN_LENGTHS).map(([value, label]) => el('option', { value }, label)));
  length.value = '';
  const removeMessages = el('input', { type: 'checkbox' });
  const fields = [labelled('How long', length), labelled('Delete their messages, too', removeMessages)];
  if (!(await ask(root, `Ban ${author.displayName}?`, 'Ban', ...fields))) return;
  await room.owner.ban(author.id, { seconds: Number(length.value) || null, removeMessages: removeMessages.checked });
}

/**
 * Shows the settings of the room and its bans. If the owner agrees, saves the settings that the owner has changed.
 *
 * @param {ShadowRoot} root
 * @param {Room} room
 * @param {(error: unknown) => void} onError Is called when a ban could not be lifted.
 */
export async function editSettings(root, room, onError) {
  await room.joined;
  const { nodes: bans } = await room.owner.bans();
  const before = /** @type {RoomSettings} */ (room.state.settings);
  const { title, slowModeSeconds, capacity, listed, locked } = before;
  const fields = {
    title: el('input', { maxlength: '100', value: title }),
    slowModeSeconds: el('input', { type: 'number', min: '0', max: '3600', required: true, value: slowModeSeconds }),
    capacity: el('input', { type: 'number', min: '1', value: capacity }),
    locked: el('input', { type: 'checkbox', checked: locked }),
    listed: el('input', { type: 'checkbox', checked: listed }),
  };
  const rows = bans.map((ban) => banRow(ban, room, onError));
  const list = rows.length === 0 ? null : el('ul', { 'aria-label': 'Banned' }, ...rows);
  const isAgreed = await ask(
    root,
    'Settings of the room',
    'Save',
    labelled('Title', fields.title),
    labelled('Seconds between two messages of one person', fields.slowModeSeconds),
    labelled('Viewers at most; empty for no limit', fields.capacity),
    labelled('Only the owner can write', fields.locked),
    labelled('Listed for everybody', fields.listed),
    list,
  );
  if (!isAgreed) return;
  const after = {
    title: fields.title.value.trim() || null,
    slowModeSeconds: Number(fields.slowModeSeconds.value),
    capacity: Number(fields.capacity.value) || null,
    locked: fields.locked.checked,
    listed: fields.listed.checked,
  };
  const changes = differences(before, after);
  if (Object.keys(changes).length > 0) await room.owner.update(changes);
}

/**
 * Only what the owner has changed, so that changes from another device stay.
 *
 * @param {RoomSettings} before
 * @param {RoomSettings} after
 * @returns {Partial<RoomSettings>}
 */
function differences(before, after) {
  const isChanged = (/** @type {keyof RoomSettings} */ name) => after[name] !== before[name];
  return Object.fromEntries(Object.entries(after).filter(([name]) => isChanged(/** @type {keyof RoomSettings} */ (name))));
}

/**
 * @param {Ban} ban
 * @param {Room} room
 * @param {(error: unknown) => void} onError
 */
function banRow({ user }, room, onError) {
  const unban = () => room.owner.unban(user.id).then(() => row.remove(), onError);
  const button = el('button', { type: 'button', onclick: unban }, 'Lift the ban', hidden(` of ${user.displayName}`));
  const row = el('li', { class: 'wide' }, el('span', { dir: 'auto' }, user.displayName), button);
  return row;
}

/**
 * Ends the room if the owner agrees.
 *
 * @param {ShadowRoot} root
 * @param {Room} room
 */
export async function endRoom(root, room) {
  const warning = el('p', {}, 'All its messages are deleted at once, for everybody.');
  if (await ask(root, 'End the room?', 'End the room', warning)) await room.owner.end();
}
