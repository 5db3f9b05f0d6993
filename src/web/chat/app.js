// The page: which room the address names, or the start page when it names none.

import { el } from './dom.js';
import { fragmentOf, roomInAddress } from './link.js';
import { enterRoom } from './room.js';
import { startPage } from './start.js';

const app = document.getElementById('app');
let shown;

function show(screen) {
  shown?.close();
  shown = screen;
  document.title = screen.title;
  app.replaceChildren(screen.element);
  screen.focus?.();
}

/** Shows what the address says. */
async function go() {
  const room = roomInAddress();
  if (!room?.code) {
    const isBroken = location.hash.length > 1;
    return show(startPage(isBroken ? 'This link does not lead to a room. Was it copied whole?' : null, room));
  }
  // Without what other programs have put around it. Nothing is loaded, and nobody is told of another address.
  history.replaceState(history.state, '', location.pathname + fragmentOf(room));
  const leaving = new AbortController();
  show({ title: 'LiveChat', element: el('main', { class: 'entering' }, el('p', { role: 'status' }, 'Entering the room…')), close: () => leaving.abort() });
  const told = (sentence) => (app.querySelector('.entering p').textContent = sentence);
  const screen = await enterRoom(room, leaving.signal, told);
  if (leaving.signal.aborted) screen.close();
  else show(screen);
}

addEventListener('hashchange', go);
go();
