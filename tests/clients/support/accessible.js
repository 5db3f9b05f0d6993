// Accessibility checks with axe-core.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

const AXE = new URL('../node_modules/axe-core/axe.min.js', import.meta.url);

/**
 * Fails with `what` if axe-core finds a violation. `exceptions` maps rules to selectors of elements that may violate them.
 */
export async function assertAccessible(page, exceptions = {}, what = 'the page') {
  // Evaluated by the debugger, because the policy of the page forbids adding a script.
  await page.evaluate(await readFile(AXE, 'utf8'));
  const { found, passes } = await page.evaluate(async (exceptions) => {
    const { violations, passes } = await globalThis.axe.run();
    const isExcepted = (rule, target) => rule in exceptions && document.querySelector(target).matches(exceptions[rule]);
    const found = violations.flatMap(({ id, nodes }) =>
      nodes.filter(({ target }) => !isExcepted(id, target[0])).map(({ html }) => ({ rule: id, html })),
    );
    return { found, passes: passes.length };
  }, exceptions);
  assert.deepEqual(found, [], what);
  assert.ok(passes > 10, `axe-core has checked almost nothing on ${what}`);
}
