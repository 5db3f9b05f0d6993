// Waiting before the next try: longer each time, and not at the same moment as everybody else.

const FIRST = 1_000;
const LONGEST = 15_000;

/** How long to wait after so many failures in a row, in milliseconds; the server's word goes first. */
export function waitAfter(failures, refusal) {
  if (refusal?.retryAfterMs > 0) return refusal.retryAfterMs;
  const most = Math.min(LONGEST, FIRST * 2 ** (failures - 1));
  return most * (0.5 + Math.random() / 2);
}

/** Resolves after that many milliseconds, or as soon as the network is said to be back, or `signal` is aborted. */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      removeEventListener('online', over);
      signal?.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, milliseconds);
    addEventListener('online', over);
    signal?.addEventListener('abort', over);
  });
}

/** Does `work` until it succeeds or is refused for good. `told(refusal, wait)` hears of every wait. */
export async function persist(work, signal, told = () => {}) {
  for (let failures = 1; ; failures += 1) {
    try {
      return await work();
    } catch (refusal) {
      if (!refusal.passes || signal.aborted) throw refusal;
      const wait = waitAfter(failures, refusal);
      told(refusal, wait);
      await pause(wait, signal);
    }
  }
}
