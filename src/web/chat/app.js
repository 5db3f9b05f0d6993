// The entry point: shows the room that the address names, or the start page.

import { el } from './dom.js';
import { fragmentOf, roomInAddress } from './link.js';
import { enterRoom } from './enter.js';
import { readIdentity } from './identity.js';
import { startPage } from './start.js';

const app = document.getElementById('app');
let currentScreen;
/** The link to the room that is shown or being entered. */
let currentLink;

function show(screen) {
  currentScreen?.close();
  currentScreen = screen;
  document.title = screen.title;
  app.replaceChildren(screen.element);
  screen.focus?.();
}

/** Shows the screen for the current address. */
async function navigate() {
  const hasIdentity = readIdentity();
  const room = roomInAddress();
  const previousLink = currentLink;
  currentLink = room?.code && fragmentOf(room);
  if (!room?.code) {
    const isBroken = location.hash.length > 1;
    return show(startPage(isBroken ? 'This link does not lead to a room. Check that you copied the whole link.' : null, room));
  }
  // Removes the identity, and what other programs have added to the link. This loads nothing and fires no event.
  history.replaceState(history.state, '', location.pathname + currentLink);
  if (hasIdentity && currentLink === previousLink) return;
  const leaving = new AbortController();
  const status = el('p', { role: 'status' }, 'Entering the room…');
  show({ title: 'LiveChat', element: el('main', { class: 'entering' }, status), close: () => leaving.abort() });
  const screen = await enterRoom(room, leaving.signal, (sentence) => (status.textContent = sentence));
  if (leaving.signal.aborted) screen.close();
  else show(screen);
}

addEventListener('hashchange', navigate);
navigate();
