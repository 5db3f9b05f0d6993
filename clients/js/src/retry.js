// Retries with exponential backoff and jitter.

import { left, LiveChatError } from './errors.js';

const wakeUps = new EventTarget();

/** Ends all pauses that wait for the network, because it may be back. */
export const wakePauses = () => wakeUps.dispatchEvent(new Event('wake'));

globalThis.addEventListener?.('online', wakePauses);

/**
 * Resolves after this many milliseconds, when `signal` is aborted, or, if `isWakeable`, when the network may be back.
 *
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 * @param {boolean} [isWakeable]
 * @returns {Promise<void>}
 */
export function pause(milliseconds, signal, isWakeable) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      wakeUps.removeEventListener('wake', end);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    if (isWakeable) wakeUps.addEventListener('wake', end);
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
  });
}

/**
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
export const aborted = (signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve()));

/** How long to pause between tries. */
export class Backoff {
  #min;
  #max;

  /**
   * @param {number} min Delay after the first failure, in milliseconds.
   * @param {number} max
   */
  constructor(min, max) {
    this.#min = min;
    this.#max = max;
  }

  /**
   * Pauses after this many failures in a row. A delay that the server demands takes precedence.
   *
   * @param {number} failures
   * @param {LiveChatError} error
   * @param {AbortSignal} signal
   */
  pause(failures, error, signal) {
    const { retryAfterMs } = error;
    if (retryAfterMs) return pause(retryAfterMs, signal);
    return pause(this.delayAfter(failures), signal, true);
  }

  /** @param {number} failures */
  delayAfter(failures) {
    return Math.min(this.#max, this.#min * 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
  }

  /**
   * Repeats `work` until it succeeds, fails for good, or `signal` is aborted.
   *
   * @template T
   * @param {() => Promise<T>} work
   * @param {AbortSignal} signal
   * @param {(error: LiveChatError) => void} [onWait] Is called before each pause.
   * @returns {Promise<T>}
   */
  async retry(work, signal, onWait) {
    for (let failures = 1; ; failures += 1) {
      if (signal.aborted) throw left();
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof LiveChatError) || !error.isTransient || signal.aborted) throw error;
        onWait?.(error);
        await this.pause(failures, error, signal);
      }
    }
  }
}
