// The list of banned people, in which the owner lifts bans.

import { avatar } from './avatar.js';
import { announce, el } from './dom.js';
import { momentOf } from './time.js';

/** Returns the list, which loads when it is opened. `owner` has the owner's actions. */
export function bannedPeople(owner) {
  const list = el('ul', { class: 'bans' });
  const status = el('p', { class: 'hint', role: 'status' });
  const more = el('button', { type: 'button', class: 'small', hidden: true, onclick: () => load() }, 'Show more');
  const summary = el('summary', {}, 'Banned people');
  let after = null;

  const load = async () => {
    status.textContent = 'Loading…';
    try {
      const { nodes, totalCount, pageInfo } = await owner.bans({ first: 50, after });
      list.append(...nodes.map(item));
      after = pageInfo.endCursor;
      more.hidden = !pageInfo.hasNextPage;
      status.textContent = totalCount === 0 ? 'Nobody is banned.' : '';
    } catch (error) {
      more.hidden = false;
      status.textContent = error.message;
    }
  };

  const item = ({ user, until, reason }) => {
    const end = until ? `until ${momentOf(until)}` : 'for the life of the room';
    const unban = el('button', { type: 'button', class: 'small', 'aria-label': `Unban ${user.displayName}` }, 'Unban');
    const row = el(
      'li',
      {},
      avatar(user),
      el('div', { class: 'ban-text' }, el('strong', { dir: 'auto' }, user.displayName), el('span', { class: 'hint' }, end, reason && ' · ', reason && el('bdi', {}, reason))),
      unban,
    );
    unban.addEventListener('click', async () => {
      unban.disabled = true;
      try {
        await owner.unban(user.id);
        row.remove();
        summary.focus();
        announce(`${user.displayName} can write again`);
        if (list.children.length === 0 && more.hidden) status.textContent = 'Nobody is banned.';
      } catch (error) {
        unban.disabled = false;
        status.textContent = error.message;
      }
    });
    return row;
  };

  const details = el('details', { class: 'banned' }, summary, list, status, more);
  details.addEventListener('toggle', () => {
    if (!details.open) return;
    list.replaceChildren();
    after = null;
    load();
  });
  return details;
}
