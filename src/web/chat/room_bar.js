// The bar above a room: its title, its state, and the buttons for people, settings and the link.

import { el, icon, iconButton, ICONS } from './dom.js';
import { serverNow } from './client.js';
import { LOGO } from './start.js';
import { fullTime, timeLeft, waitOf } from './time.js';

/** Calls `on.share()`, `on.togglePeople()` and, for the owner, `on.settings()`. */
export class RoomBar {
  #title = el('h1', { dir: 'auto' });
  #time = el('span', { class: 'time-left' });
  #state = el('span', { class: 'room-state' });
  #viewers = el('span', {}, '…');
  #settings;
  #expiresAt;

  constructor(expiresAt, isOwner, on) {
    this.#expiresAt = expiresAt;
    this.peopleButton = el(
      'button',
      { type: 'button', class: 'people-button', 'aria-expanded': 'false', 'aria-controls': 'people', onclick: on.togglePeople },
      el('span', { class: 'dot' }), this.#viewers,
    );
    this.#settings = isOwner ? iconButton('Room settings', ICONS.settings, { 'aria-haspopup': 'dialog', onclick: on.settings }) : null;
    this.element = el('header', { class: 'bar' },
      el('a', { class: 'home', href: '#', 'aria-label': 'LiveChat, start page', title: 'Start page' }, icon(LOGO)),
      el('div', { class: 'room-title' }, this.#title, el('p', { class: 'room-facts' }, this.#time, this.#state)),
      this.peopleButton,
      this.#settings,
      el('button', { type: 'button', class: 'primary share', 'aria-label': 'Invite people', onclick: on.share }, icon(ICONS.share), el('span', {}, 'Invite')));
    this.updateTimeLeft();
  }

  show(title, { slowModeSeconds, locked }) {
    this.#title.textContent = title;
    this.#title.title = title;
    const states = [locked && 'locked', slowModeSeconds > 0 && `slow mode ${waitOf(slowModeSeconds)}`].filter(Boolean);
    this.#state.textContent = states.map((state) => ` · ${state}`).join('');
  }

  showViewers(viewerCount) {
    this.#viewers.replaceChildren(viewerCount.toLocaleString(), el('span', { class: 'words' }, ' here now'));
  }

  updateTimeLeft() {
    this.#time.textContent = timeLeft(this.#expiresAt, serverNow());
    this.#time.title = `Ends ${fullTime(this.#expiresAt)}`;
  }

  /** Shows that the room has ended now. */
  end() {
    this.#expiresAt = new Date(serverNow()).toISOString();
    this.#state.textContent = '';
    this.#settings?.remove();
    this.updateTimeLeft();
  }
}
