// A website that uses the package, and its visitors.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname } from 'node:path';

const TYPES = { '.js': 'text/javascript', '.html': 'text/html', '.css': 'text/css' };

/** Folders of the package by path. Modules of tests import `../../src/index.js`. */
const FOLDERS = { client: 'src', src: 'src', test: 'test' };

/** Serves these pages by path, and the files of the package: its modules below /client/, and its tests. */
export async function startSite(pages = { '/': '<!doctype html><title>A page</title>' }) {
  const listener = createServer(async ({ url }, response) => {
    const path = url.split('?')[0];
    try {
      const [, folder, name] = /^\/(\w+)\/(.+)$/.exec(path) ?? [];
      const body = FOLDERS[folder] ? await readFile(new URL(`../../${FOLDERS[folder]}/${name}`, import.meta.url)) : pages[path];
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
