// Closes what the tests of a file have opened, also after a failure: whatever stays open keeps the process of the file alive.

import { after } from 'node:test';

const open = new Set();

after(async () => {
  const failures = [];
  // The latest first: browsers before the servers that they are connected to.
  for (const close of [...open].reverse()) await close().catch((error) => failures.push(error));
  if (failures.length > 0) throw new AggregateError(failures, 'something could not be closed');
});

/** Returns a function that calls `close()` once, however often it is called. It is called at the end of the file at the latest. */
export function closing(close) {
  let closed;
  const closeOnce = async () => (closed ??= close()).finally(() => open.delete(closeOnce));
  open.add(closeOnce);
  return closeOnce;
}
