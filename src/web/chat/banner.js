// The line above the messages that says how the connection is.

import { el } from './dom.js';

/** How long it is said that nothing is missing any more, in milliseconds. */
const REASSURE = 2_500;

/** How the connection is: `state` is connecting, live, lost, catching-up or ended. */
export class Banner {
  element = el('p', { class: 'banner', role: 'status', hidden: true });
  state = 'connecting';
  #hiding;

  /** The stream has come to another state. */
  show(state, refusal) {
    const before = this.state;
    // Entering a room is no catching up.
    if (before === 'connecting' && state === 'catching-up') return;
    this.state = state;
    // The reason for which the connection is still lost may be another one.
    if (state === 'lost') this.#say(state, lostWords(refusal));
    if (state === before) return;
    if (state === 'catching-up') this.#say(state, 'Back. Catching up on what was missed…');
    if (state === 'live' && before === 'connecting') this.#say(state);
    if (state === 'live' && before !== 'connecting') this.#say(state, 'Connected again. Nothing was missed.');
    if (state === 'live') this.#hideIn(REASSURE);
  }

  /** The server has lost our position, and everything is read anew. */
  reload() {
    this.state = 'catching-up';
    this.#say(this.state, 'The server has lost something. Loading the room again…');
  }

  /** It is over, for this reason; there is a way on. */
  end(sentence) {
    this.state = 'ended';
    this.#say(this.state, `${sentence} `, el('a', { href: '#' }, 'Make a new room'));
  }

  /** Something else to know. */
  notice(sentence) {
    if (this.state === 'ended') return;
    this.#say('notice', sentence);
    this.#hideIn(2 * REASSURE);
  }

  #say(look, ...words) {
    clearTimeout(this.#hiding);
    // The same words once more would be read aloud once more.
    if (look === 'lost' && this.element.dataset.state === look && this.element.textContent === words[0]) return;
    this.element.className = `banner ${look}`;
    this.element.dataset.state = this.state;
    this.element.hidden = words.length === 0;
    this.element.replaceChildren(...words);
  }

  #hideIn(milliseconds) {
    this.#hiding = setTimeout(() => this.state === 'live' && this.#say('live'), milliseconds);
  }
}

/** Why there is no connection. What the browser thinks of the network is asked only once there is none. */
function lostWords(refusal) {
  if (!navigator.onLine) return 'You are offline. Messages wait here until you are back.';
  if (refusal?.retryAfterMs) return `Too many at once. Trying again in ${Math.ceil(refusal.retryAfterMs / 1_000)} s…`;
  return 'Connection lost. Reconnecting…';
}
