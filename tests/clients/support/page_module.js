// Import of modules of the chat page that need no browser.

import { readFile } from 'node:fs/promises';

/** Imports a module of the page. It must not import other modules. */
export async function importFromPage(name) {
  const source = await readFile(new URL(`../../../src/web/chat/${name}`, import.meta.url), 'utf8');
  return import(`data:text/javascript;base64,${Buffer.from(source).toString('base64')}`);
}
