// A list whose items are recreated only if they look different, so that the focus and the scroll position survive changes.

export class KeyedList {
  #items = new Map();

  /** `element` must have no other children. */
  constructor(element) {
    this.element = element;
  }

  elementOf(key) {
    return this.#items.get(key)?.element;
  }

  /** Shows these items: `[{ key, look, make }]`. An item is created with `make()` if its `look` has changed. */
  replace(items) {
    const focused = this.element.contains(document.activeElement) ? this.#keyOf(document.activeElement) : null;
    const part = focused && document.activeElement.dataset.part;
    const shown = new Map();
    for (const { key, look, make } of items) {
      const known = this.#items.get(key);
      shown.set(key, known?.look === look ? known : { look, element: make() });
    }
    for (const [key, { element }] of this.#items) if (shown.get(key)?.element !== element) element.remove();
    this.#items = shown;
    let next = this.element.firstChild;
    for (const { element } of shown.values()) {
      if (element === next) next = next.nextSibling;
      else this.element.insertBefore(element, next);
    }
    if (part && !this.element.contains(document.activeElement)) this.focusPart(focused, part);
  }

  /** Focuses the part of an item with this `data-part`, or its first visible part. Returns whether there is one. */
  focusPart(key, part) {
    const parts = [...(this.elementOf(key)?.querySelectorAll('[data-part]') ?? [])].filter(isVisible);
    const target = parts.find(({ dataset }) => dataset.part === part) ?? parts[0];
    target?.focus({ preventScroll: true });
    return target !== undefined;
  }

  #keyOf(descendant) {
    for (const [key, { element }] of this.#items) if (element.contains(descendant)) return key;
    return null;
  }
}

/** Whether an element takes up space, even if it is transparent. */
export const isVisible = (element) => element.getClientRects().length > 0;
