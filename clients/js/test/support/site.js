// A website that uses the package, and its visitors.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';

const TYPES = { '.js': 'text/javascript', '.html': 'text/html', '.css': 'text/css' };

/** Serves these pages by path, and the files of the package below /client/. */
export async function startSite(pages) {
  const listener = createServer(async ({ url }, response) => {
    const path = url.split('?')[0];
    try {
      const file = path.startsWith('/client/') && new URL(`../../src/${path.slice(8)}`, import.meta.url);
      const body = file ? await readFile(file) : pages[path];
      response.writeHead(body ? 200 : 404, { 'content-type': TYPES[extname(path)] ?? 'text/html' }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    url: `http://127.0.0.1:${listener.address().port}`,
    async close() {
      listener.closeAllConnections();
      listener.close();
      await once(listener, 'close');
    },
  };
}
