// Panels next to a button, such as menus. They are in the top layer, close with Escape and with a press anywhere else.

/** Distance from the button and from the edges of the window, in pixels. */
const GAP = 6;

/** The panel that is open, if any. */
let current = null;

/**
 * Opens `panel` next to `anchor`. Returns a function that closes it. Calls `onClose(isFocusLost)`: whether the focus was in the
 * panel.
 */
export function openPopover(panel, anchor, onClose) {
  current?.();
  const closed = new AbortController();
  const { signal } = closed;
  const close = () => {
    if (signal.aborted) return;
    closed.abort();
    current = null;
    const isFocusLost = panel.contains(document.activeElement);
    panel.remove();
    anchor.setAttribute('aria-expanded', 'false');
    onClose(isFocusLost);
  };
  current = close;
  panel.popover = 'manual';
  panel.classList.add('popover');
  // Within the landmark of the button, or within its dialog, outside of which everything is inert.
  (anchor.closest('dialog, main, aside') ?? document.body).append(panel);
  panel.showPopover();
  place(panel, anchor);
  anchor.setAttribute('aria-expanded', 'true');
  addEventListener('resize', () => place(panel, anchor), { signal });
  addEventListener('hashchange', close, { signal });
  document.addEventListener(
    'pointerdown',
    ({ target }) => panel.contains(target) || anchor.contains(target) || close(),
    { signal, capture: true },
  );
  panel.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || event.isComposing) return;
    event.preventDefault();
    event.stopPropagation();
    close();
  });
  return close;
}

/** Places the panel below the anchor, or above it, within the window. */
function place(panel, anchor) {
  if (!anchor.isConnected) return;
  const { left, right, top, bottom } = anchor.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = panel;
  const isRight = left + width > innerWidth - GAP;
  const x = isRight ? right - width : left;
  const y = bottom + GAP + height > innerHeight - GAP && top - GAP - height >= GAP ? top - GAP - height : bottom + GAP;
  panel.style.left = `${Math.max(GAP, Math.min(x, innerWidth - width - GAP))}px`;
  panel.style.top = `${Math.max(GAP, Math.min(y, innerHeight - height - GAP))}px`;
}
