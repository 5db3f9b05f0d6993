// Accessibility checks with axe-core.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

const AXE = new URL('../node_modules/axe-core/axe.min.js', import.meta.url);

/**
 * Fails with `what` if axe-core finds a violation. `exceptions` maps rules to selectors of elements that may violate them.
 */
export async function assertAccessible(page, exceptions = {}, what = 'the page') {
  const { found, passes } = await check(page, exceptions);
  assert.deepEqual(found, [], what);
  assert.ok(passes > 10, `axe-core has checked almost nothing on ${what}`);
}

/** The same for light and for dark colors. Only the contrast depends on them. Leaves the page light. */
export async function assertAccessibleInBothSchemes(page, what) {
  await assertAccessible(page, {}, what);
  await page.emulateMedia({ colorScheme: 'dark' });
  const { found, passes } = await check(page, {}, { runOnly: ['color-contrast'] });
  assert.deepEqual(found, [], `${what}, dark`);
  assert.equal(passes, 1, `axe-core has not checked the dark colors of ${what}`);
  await page.emulateMedia({ colorScheme: 'light' });
}

async function check(page, exceptions, options = {}) {
  // Evaluated by the debugger, because the policy of the page forbids adding a script.
  await page.evaluate(await readFile(AXE, 'utf8'));
  const argument = { exceptions, options };
  return page.evaluate(async ({ exceptions, options }) => {
    const { violations, passes } = await globalThis.axe.run(document, options);
    const isExcepted = (rule, target) => rule in exceptions && document.querySelector(target).matches(exceptions[rule]);
    const found = violations.flatMap(({ id, nodes }) =>
      nodes.filter(({ target }) => !isExcepted(id, target[0])).map(({ html }) => ({ rule: id, html })),
    );
    return { found, passes: passes.length };
  }, argument);
}
