// How a user is shown: the picture or the initials, and the marks of owners and verified users.

import { el, icon, ICONS } from './dom.js';
import { initials, tone } from './names.js';

/** The avatar of a user. The picture covers the initials; if it cannot be loaded, the initials stay. */
export function avatar({ id, displayName, avatarUrl }) {
  const element = el('span', { class: `avatar ${tone(id)}`, 'aria-hidden': 'true' }, initials(displayName));
  if (avatarUrl?.startsWith('https://')) {
    // The site of the picture must not learn the address of the page.
    const picture = el('img', { alt: '', referrerpolicy: 'no-referrer', decoding: 'async', loading: 'lazy' });
    picture.addEventListener('load', () => picture.classList.add('loaded'));
    picture.addEventListener('error', () => picture.remove());
    picture.src = avatarUrl;
    element.append(picture);
  }
  return element;
}

/** The marks behind the name of a user. */
export function marks({ isVerified }, role) {
  return [
    isVerified ? el('span', { class: 'verified', title: 'The site vouches for this user' }, icon(ICONS.verified), hidden('verified')) : null,
    role === 'OWNER' ? el('span', { class: 'badge owner' }, 'owner') : null,
  ].filter(Boolean);
}

const hidden = (text) => el('span', { class: 'visually-hidden' }, text);
