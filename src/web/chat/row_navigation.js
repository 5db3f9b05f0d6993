// The keyboard in the list of messages: the buttons of one message are tab stops, and the arrow keys move to other messages.

import { isVisible } from './keyed_list.js';

const KEYS = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity };

/** Makes the buttons (`[data-part]`) of the rows in `list` reachable. Call the result after each change of the list. */
export function navigateRows(list) {
  let current = null;

  const setCurrent = (row) => {
    if (row === current) return;
    if (current) setTabStops(current, -1);
    current = row;
    if (current) setTabStops(current, 0);
  };

  list.addEventListener('focusin', ({ target }) => setCurrent(target.closest('.row')));
  list.addEventListener('keydown', (event) => {
    // A row has the focus after a jump to it.
    const part = event.target.closest('[data-part], .row');
    const step = KEYS[event.key];
    if (!part?.matches('[data-part], .row:focus') || step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const rows = rowsWithParts(list);
    const at = rows.indexOf(part.closest('.row'));
    const row = rows[Math.max(0, Math.min(rows.length - 1, at + step))];
    const parts = partsOf(row).filter(isVisible);
    (parts.find(({ dataset }) => dataset.part === part.dataset.part) ?? parts[0])?.focus();
    row.scrollIntoView({ block: 'nearest' });
  });

  return () => {
    // The last message, until the user moves to another one.
    if (!current?.isConnected || !list.contains(document.activeElement)) setCurrent(rowsWithParts(list).at(-1) ?? null);
  };
}

const partsOf = (row) => [...row.querySelectorAll('[data-part]')];

const rowsWithParts = (list) => [...list.children].filter((row) => partsOf(row).some(isVisible));

function setTabStops(row, tabIndex) {
  for (const part of partsOf(row)) part.tabIndex = tabIndex;
}
