// Waiting for a condition.

import { setTimeout as sleep } from 'node:timers/promises';

/** Waits until the condition is met. Fails after 20 s with the text that `describe` returns. */
export async function until(condition, describe = () => '') {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`the condition was not met in 20 s. ${describe()}`);
    await sleep(20);
  }
}
