// Timers that notice when the computer was asleep, or the process frozen.

/**
 * Calls `tick(isLate)` at this interval. `isLate`: much more time has passed, so data that has arrived in the meantime may not
 * have been read yet.
 *
 * @param {number} milliseconds
 * @param {(isLate: boolean) => void} tick
 * @returns {() => void} Stops the timer.
 */
export function every(milliseconds, tick) {
  // Unlike `performance.now()`, this clock runs while a computer sleeps.
  let last = Date.now();
  const timer = setInterval(() => {
    const now = Date.now();
    const isLate = now - last > 3 * milliseconds;
    last = now;
    tick(isLate);
  }, milliseconds);
  return () => clearInterval(timer);
}
