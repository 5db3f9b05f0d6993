// The line above the messages that shows the state of the connection.

import { el } from './dom.js';

/** How long a message about a restored connection is shown, in milliseconds. */
const SHOW_FOR = 2_500;

/** Shows the state of the connection: `state` is connecting, live, lost, catching-up or ended. */
export class Banner {
  element = el('p', { class: 'banner', role: 'status', hidden: true });
  state = 'connecting';
  #hideTimer;

  /** Shows a new state of the stream. `error` is the reason if the connection is lost. */
  update(state, error) {
    const previous = this.state;
    // Entering a room is not catching up.
    if (previous === 'connecting' && state === 'catching-up') return;
    this.state = state;
    // The reason can change while the connection stays lost.
    if (state === 'lost') this.#show(state, lostMessage(error));
    if (state === previous) return;
    if (state === 'catching-up') this.#show(state, 'Connected again. Loading missed messages…');
    if (state === 'live' && previous === 'connecting') this.#show(state);
    if (state === 'live' && previous !== 'connecting') this.#show(state, 'Connected again. No messages were missed.');
    if (state === 'live') this.#hideAfter(SHOW_FOR);
  }

  /** Shows the final state with its reason, and a link to a new room. */
  end(sentence) {
    this.state = 'ended';
    this.#show(this.state, `${sentence} `, el('a', { href: '#' }, 'Create a new room'));
  }

  /** Shows a notice for a short time. */
  notice(sentence) {
    if (this.state === 'ended') return;
    this.#show('notice', sentence);
    this.#hideAfter(2 * SHOW_FOR);
  }

  #show(look, ...content) {
    clearTimeout(this.#hideTimer);
    // Screen readers would read the same text again.
    if (look === 'lost' && this.element.dataset.state === look && this.element.textContent === content[0]) return;
    this.element.className = `banner ${look}`;
    this.element.dataset.state = this.state;
    this.element.hidden = content.length === 0;
    this.element.replaceChildren(...content);
  }

  #hideAfter(milliseconds) {
    this.#hideTimer = setTimeout(() => this.state === 'live' && this.#show('live'), milliseconds);
  }
}

/** Returns why there is no connection. `navigator.onLine` alone proves nothing, so it is used only once the connection is lost. */
function lostMessage(error) {
  if (!navigator.onLine) return 'You are offline. Your messages will be sent when you are online again.';
  if (error?.code === 'ROOM_AT_CAPACITY') return 'This room is full. You enter as soon as somebody leaves.';
  if (error?.retryAfterMs) return `Too many requests. Trying again in ${Math.ceil(error.retryAfterMs / 1_000)} s…`;
  return 'Connection lost. Reconnecting…';
}
