// The modules of the chat page that need no browser, for tests of what they compute.

import { readFile } from 'node:fs/promises';

/** Imports a module of the page that imports no other. */
export async function importFromPage(name) {
  const source = await readFile(new URL(`../../../src/web/chat/${name}`, import.meta.url), 'utf8');
  return import(`data:text/javascript;base64,${Buffer.from(source).toString('base64')}`);
}
