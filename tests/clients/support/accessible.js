// Whether people can use a page who use it by keyboard, with a screen reader or with weak eyes, as far as axe-core can tell.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

const AXE = new URL('../node_modules/axe-core/axe.min.js', import.meta.url);

/** Fails with what axe-core finds on the page, less the `exceptions`: a rule, and the selector of what may break it. */
export async function assertAccessible(page, exceptions = {}) {
  // Evaluated and not added as a script, which the policy of the page forbids.
  await page.evaluate(await readFile(AXE, 'utf8'));
  const { found, passes } = await page.evaluate(async (exceptions) => {
    const { violations, passes } = await globalThis.axe.run();
    const excused = (rule, target) => rule in exceptions && document.querySelector(target).matches(exceptions[rule]);
    const found = violations.flatMap(({ id, nodes }) =>
      nodes.filter(({ target }) => !excused(id, target[0])).map(({ html }) => ({ rule: id, html })),
    );
    return { found, passes: passes.length };
  }, exceptions);
  assert.deepEqual(found, []);
  assert.ok(passes > 10, 'axe-core did not see the page');
}
