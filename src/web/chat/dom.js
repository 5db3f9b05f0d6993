// Making elements. Text only ever becomes a text node; there is no way from a string to markup in this page.

/**
 * Makes an element: `el('button', { class: 'quiet', type: 'button', onclick }, 'Text', child, …)`. Names that begin with
 * `on` are listeners, `data` sets data attributes, everything else is an attribute; what is null or false is left out.
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

/** A small drawing of lines, which says nothing by itself. */
export function icon(path) {
  const picture = document.createElementNS(SVG, 'svg');
  const lines = document.createElementNS(SVG, 'path');
  for (const [key, value] of [['viewBox', '0 0 24 24'], ['class', 'icon'], ['aria-hidden', 'true']]) {
    picture.setAttribute(key, value);
  }
  lines.setAttribute('d', path);
  picture.append(lines);
  return picture;
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
};

/** A button that shows only a drawing, and says what it does to who cannot see it. */
export function iconButton(label, path, attributes) {
  return el('button', { type: 'button', class: 'icon-button', 'aria-label': label, title: label, ...attributes }, icon(path));
}

/** Says something to screen readers, when they have a moment. */
export function announce(text) {
  const announcer = document.getElementById('announcer');
  // The same words twice would not count as a change.
  announcer.textContent = announcer.textContent === text ? `${text}\u00a0` : text;
}
