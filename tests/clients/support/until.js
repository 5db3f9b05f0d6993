// Waiting for a condition instead of for a time.

import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until it is so; gives up after 20 s with what `tell` knows. */
export async function until(isSo, tell = () => '') {
  const deadline = Date.now() + 20_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`it never became so. ${tell()}`);
    await sleep(20);
  }
}
