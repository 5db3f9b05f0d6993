// Creation of elements. Text always becomes a text node; nothing in this page turns a string into markup.

/**
 * Creates an element: `el('button', { class: 'primary', type: 'button', onclick }, 'Text', child, …)`. Names that begin with `on`
 * are event listeners, `data` sets data attributes, everything else sets an attribute. Null, undefined and false are skipped.
 */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (key === 'data') Object.assign(element.dataset, value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = 'http://www.w3.org/2000/svg';

/** Creates a decorative line icon, which screen readers ignore. */
export function icon(path) {
  const svg = document.createElementNS(SVG, 'svg');
  const lines = document.createElementNS(SVG, 'path');
  for (const [key, value] of [['viewBox', '0 0 24 24'], ['class', 'icon'], ['aria-hidden', 'true']]) {
    svg.setAttribute(key, value);
  }
  lines.setAttribute('d', path);
  svg.append(lines);
  return svg;
}

export const ICONS = {
  send: 'M5 12h14M13 6l6 6-6 6',
  share: 'M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.7-5.700l-1 1M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.7 5.700l1-1',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13 7l4 4',
  remove: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13',
  people: 'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c0-4 3-6 6.5-6s6.5 2 6.5 6M16 4.500a3.5 3.5 0 0 1 0 6.500M18 14.500c2.2.8 3.5 2.7 3.5 5.5',
  down: 'M12 5v14M6 13l6 6 6-6',
  back: 'M15 5l-7 7 7 7',
  close: 'M6 6l12 12M18 6L6 18',
  react: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.5 14.5c1.8 2.3 5.2 2.3 7 0M9 9.5v.01M15 9.5v.01',
  reply: 'M10 6l-6 6 6 6M4 12h10a6 6 0 0 1 6 6v1',
  more: 'M5 12v.01M12 12v.01M19 12v.01',
  settings: 'M4 7h9M18 7h2M4 17h2M11 17h9M15.5 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM8.5 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z',
  ban: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM5.7 5.7l12.6 12.6',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  verified: 'M5 12.5l4.5 4.5L19 7.5',
};

/** Creates a button with only an icon. Screen readers and the tooltip use the label. */
export function iconButton(label, path, attributes) {
  return el('button', { type: 'button', class: 'icon-button', 'aria-label': label, title: label, ...attributes }, icon(path));
}

/** Makes screen readers read a text. */
export function announce(text) {
  const announcer = document.getElementById('announcer');
  // The same text again would not count as a change.
  announcer.textContent = announcer.textContent === text ? `${text}\u00a0` : text;
}
