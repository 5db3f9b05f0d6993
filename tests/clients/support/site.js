// The website of somebody else, whose pages use the server.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import { closing } from './cleanup.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TYPES = { '.js': 'text/javascript', '.html': 'text/html', '.css': 'text/css' };

/** The address of the server in documentation and examples. */
const DOCUMENTED = /127\.0\.0\.1:8001/g;

/**
 * Serves a page, or a folder of this repository by its path, with the address of `server` in place of the documented one. `edit`
 * changes texts before that. The host is another site than that of the server.
 */
export async function startSite(server, { page, folder, edit = (text) => text }) {
  const listener = createServer(async ({ url }, response) => {
    const path = normalize(url === '/' ? '/index.html' : url.split('?')[0]);
    const type = TYPES[extname(path)] ?? 'application/octet-stream';
    try {
      const text = folder ? await readFile(join(ROOT, folder, path), 'utf8') : path === '/index.html' && page;
      if (!text) throw new Error(path);
      response.writeHead(200, { 'content-type': type }).end(edit(text, path).replace(DOCUMENTED, new URL(server.url).host));
    } catch {
      response.writeHead(404).end();
    }
  });
  listener.listen(0, '127.0.0.2');
  await once(listener, 'listening');
  return {
    url: `http://127.0.0.2:${listener.address().port}`,
    close: closing(async () => {
      listener.closeAllConnections();
      listener.close();
      await once(listener, 'close');
    }),
  };
}
