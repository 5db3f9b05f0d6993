// Closes what the tests of a file have opened, also after a failure: whatever stays open keeps the process of the file alive.

import { after } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { PATIENCE } from './until.js';

const open = new Set();

after(async () => {
  const failures = [];
  // The latest first: browsers before the servers that they are connected to.
  for (const close of [...open].reverse()) {
    const timeout = sleep(2 * PATIENCE, null, { ref: false }).then(() => Promise.reject(new Error('it does not close')));
    await Promise.race([close(), timeout]).catch((error) => failures.push(error));
  }
  if (failures.length > 0) throw new AggregateError(failures, 'something could not be closed');
});

/** Returns a function that calls `close()` once, however often it is called. It is called at the end of the file at the latest. */
export function closing(close) {
  let closed;
  const closeOnce = async () => (closed ??= close()).finally(() => open.delete(closeOnce));
  open.add(closeOnce);
  return closeOnce;
}
