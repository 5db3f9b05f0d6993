// The dialog in which the owner bans a user.

import { announce, el } from './dom.js';
import { checkbox, choices, formDialog, labelled } from './form_dialog.js';
import { cleanName } from './text.js';

/** The choices for the length of a ban, in seconds; empty for the life of the room. */
const DURATIONS = [['600', '10 minutes'], ['3600', '1 hour'], ['21600', '6 hours'], ['', 'Until the room ends']];

/** Maximum characters of a reason. */
const REASON_MAX = 200;

/** Asks how to ban a user, and bans it. `owner` has the owner's actions. */
export function banDialog(user, owner) {
  const duration = choices('ban-duration', DURATIONS, '');
  const reason = el('input', { id: 'ban-reason', autocomplete: 'off', maxlength: REASON_MAX, dir: 'auto' });
  const removal = checkbox('ban-remove', 'Remove all their messages', false);
  const who = user.isVerified ? 'They can still read.' : 'They can still read. Their network address is banned, too, so others behind it cannot write either.';
  return formDialog(`Ban ${user.displayName}?`, {
    fields: [
      el('p', {}, who),
      labelled('For how long', duration),
      labelled('Reason', reason, 'Optional. Everybody in the room can see it.'),
      removal.element,
    ],
    action: 'Ban',
    isDanger: true,
    submit: async () => {
      const seconds = duration.value === '' ? null : Number(duration.value);
      await owner.ban(user.id, { seconds, reason: cleanName(reason.value) || null, removeMessages: removal.box.checked });
      announce(`${user.displayName} is banned`);
    },
  });
}
