// Who is in a room, from the events of its presence.

/** @import { PresenceState } from './types.js' */

/**
 * The state after this event. Null until the first snapshot.
 *
 * @param {PresenceState | null} state
 * @param {any} event
 * @returns {PresenceState | null}
 */
export function applyPresence(state, { __typename, ...event }) {
  if (__typename === 'PresenceSnapshot') return event;
  if (!state || __typename === 'TypingChanged') return state && { ...state, ...event };
  const { viewerCount, userCount, joined, left } = event;
  const gone = new Set([...left, ...joined.map((/** @type {any} */ { user }) => user)].map(({ id }) => id));
  return { ...state, viewerCount, userCount, users: [...state.users.filter(({ user }) => !gone.has(user.id)), ...joined] };
}
