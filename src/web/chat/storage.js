// Values that the browser stores for this server between visits. If storage is not allowed, they live as long as the page.

// Several servers can share an origin, each below its own path.
const PREFIX = `livechat:${new URL('.', location.href).pathname}:`;

const memory = new Map();

/** Returns the value stored under this name, or undefined. */
export function load(name) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    if (text !== null) return JSON.parse(text);
  } catch {
    // Storage is not allowed, or the value is not ours.
  }
  return memory.get(name);
}

/** Stores a value under this name. */
export function save(name, value) {
  memory.set(name, value);
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Storage is not allowed, or full.
  }
}

/** Runs `work` while no other tab of this browser runs any. */
export function withLock(work) {
  if (navigator.locks) return navigator.locks.request(PREFIX, work);
  // Without a secure context there are no locks, so the order holds only within this tab. If two tabs use the same token at
  // the same time, the server gives each a valid one.
  const result = lastWork.then(work, work);
  lastWork = result.catch(() => {});
  return result;
}

let lastWork = Promise.resolve();
