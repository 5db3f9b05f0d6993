// Retries with exponential backoff and jitter.

const FIRST_DELAY = 1_000;
const MAX_DELAY = 15_000;

/** Returns the delay after this many failures in a row, in milliseconds. A delay that the server demands takes precedence. */
export function delayAfter(failures, error) {
  if (error?.retryAfterMs > 0) return error.retryAfterMs;
  const delay = Math.min(MAX_DELAY, FIRST_DELAY * 2 ** (failures - 1));
  return delay * (0.5 + Math.random() / 2);
}

/** Resolves after this many milliseconds, or earlier if the browser reports that it is online or `signal` is aborted. */
export function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener('online', end);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    addEventListener('online', end);
    signal?.addEventListener('abort', end);
  });
}

/** Repeats `work` until it succeeds, fails with a permanent error, or `signal` is aborted. Calls `onWait(error, delay)` before each wait. */
export async function retry(work, signal, onWait = () => {}) {
  for (let failures = 1; ; failures += 1) {
    try {
      return await work();
    } catch (error) {
      if (!error.isTransient || signal.aborted) throw error;
      const delay = delayAfter(failures, error);
      onWait(error, delay);
      await pause(delay, signal);
    }
  }
}
