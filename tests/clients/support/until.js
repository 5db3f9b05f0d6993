// Waiting for a condition.

import { setTimeout as sleep } from 'node:timers/promises';

/** Bounds every wait, in milliseconds. It is long because a busy machine is slow. */
export const PATIENCE = 45_000;

/** Waits until the condition is met. Fails after `PATIENCE` with the text that `describe` returns. */
export async function until(condition, describe = () => '') {
  const deadline = Date.now() + PATIENCE;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`the condition was not met in ${PATIENCE / 1_000} s. ${await describe()}`);
    await sleep(20);
  }
}
