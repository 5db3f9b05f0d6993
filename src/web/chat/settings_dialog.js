// The dialog in which the owner changes the settings of a room, lifts bans, and ends the room.

import { bannedPeople } from './bans.js';
import { confirm } from './dialogs.js';
import { announce, el } from './dom.js';
import { checkbox, choices, formDialog, labelled } from './form_dialog.js';
import { cleanName } from './text.js';
import { waitOf } from './time.js';

/** The choices for slow mode, in seconds. */
const SLOW_MODES = [0, 5, 10, 30, 60, 300, 900, 3_600];

/** Shows the settings, which are these now. `owner` has the owner's actions. */
export function settingsDialog(settings, owner) {
  const title = el('input', { id: 'setting-title', autocomplete: 'off', maxlength: 200, dir: 'auto' });
  title.value = settings.title ?? '';
  const slowMode = choices('setting-slow', slowModes(settings.slowModeSeconds), settings.slowModeSeconds);
  const capacity = el('input', { id: 'setting-capacity', type: 'number', inputmode: 'numeric', min: 1, max: 1_000_000, step: 1 });
  capacity.value = settings.capacity ?? '';
  const listed = checkbox('setting-listed', 'List the room publicly', settings.listed, 'Without its code, which is needed to enter.');
  const locked = checkbox('setting-locked', 'Lock the room', settings.locked, 'Only you can write. Everybody can read.');
  const wanted = () => ({
    title: cleanName(title.value) || null,
    slowModeSeconds: Number(slowMode.value),
    capacity: capacity.value === '' ? null : Number(capacity.value),
    listed: listed.box.checked,
    locked: locked.box.checked,
  });
  return formDialog('Room settings', {
    fields: [
      labelled('Title', title),
      labelled('Slow mode', slowMode, 'The wait between two messages of one person. Not for you.'),
      labelled('People at once', capacity, 'Leave empty for no limit.'),
      locked.element,
      listed.element,
    ],
    action: 'Save',
    submit: async () => {
      const changes = differences(settings, wanted());
      if (Object.keys(changes).length === 0) return;
      await owner.update(changes);
      announce('Settings saved');
    },
    below: (close) => [bannedPeople(owner), endButton(owner, close)],
  });
}

/** Only what the owner has changed, so that changes from another device stay. */
const differences = (before, after) => Object.fromEntries(Object.entries(after).filter(([name, value]) => value !== before[name]));

function slowModes(current) {
  const all = [...new Set([...SLOW_MODES, current])].sort((one, other) => one - other);
  return all.map((seconds) => [seconds, seconds === 0 ? 'Off' : waitOf(seconds)]);
}

function endButton(owner, close) {
  const problem = el('p', { class: 'problem-note', role: 'alert' });
  const end = async () => {
    const question = 'The room and all its messages will be deleted for everybody, at once. This cannot be undone.';
    if (!(await confirm('End this room?', question, 'End the room'))) return;
    try {
      await owner.end();
      close();
    } catch (error) {
      problem.textContent = `The room has not ended: ${error.message}`;
    }
  };
  const button = el('button', { type: 'button', class: 'danger-outline', onclick: end }, 'End the room…');
  return el('div', { class: 'end-room' }, button, problem);
}
