// What the user reads above the message field when a rule of the room restricts writing.

import { el, icon, ICONS } from './dom.js';
import { momentOf, waitOf } from './time.js';

/** Returns the notice for a state of `WriteAccess`, as elements; none if nothing restricts writing. */
export function describeAccess({ kind, seconds, until, reason }) {
  if (kind === 'slow') return [`Slow mode: you can send again in ${waitOf(seconds)}.`];
  if (kind === 'locked') return [icon(ICONS.lock), 'The owner has locked this room. You can read, and delete your messages.'];
  if (kind === 'identity') return [icon(ICONS.lock), 'Only users with an account of the site can write here. You can read.'];
  if (kind !== 'banned') return [];
  const end = until ? `until ${momentOf(until)}` : 'from writing in this room';
  const because = reason ? [' Reason: ', el('bdi', {}, reason)] : [];
  return [icon(ICONS.ban), el('span', {}, `The owner has banned you ${end}. You can read, and delete your messages.`, ...because)];
}

/** Why a message cannot be sent yet, or an empty string. */
export const waitSentence = ({ kind, seconds }) => (kind === 'slow' ? `You can send again in ${waitOf(seconds)}.` : '');
