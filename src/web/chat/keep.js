// What the browser remembers for this server between visits. Where it may not remember, the page does, while it is open.

// Several servers can be behind one origin, each below a path of its own.
const PREFIX = `livechat:${new URL('.', location.href).pathname}:`;

const memory = new Map();

/** What was kept under this name, or undefined. */
export function kept(name) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    if (text !== null) return JSON.parse(text);
  } catch {
    // Forbidden, or not ours.
  }
  return memory.get(name);
}

/** Keeps a value under this name, over visits where the browser allows it. */
export function keep(name, value) {
  memory.set(name, value);
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Forbidden, or full.
  }
}

/** Runs `work` alone, among all tabs of this browser. */
export function alone(work) {
  if (navigator.locks) return navigator.locks.request(PREFIX, work);
  // Without a secure context there are no locks: in turn within this tab. Two tabs that use the same token at the same
  // time are given one that works, each.
  const turn = lastTurn.then(work, work);
  lastTurn = turn.catch(() => {});
  return turn;
}

let lastTurn = Promise.resolve();
