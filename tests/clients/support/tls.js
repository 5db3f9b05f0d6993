// A certificate, and a proxy that terminates TLS in front of a server.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { promisify } from 'node:util';

import { closing } from './cleanup.js';

/** Starts a proxy in front of the server at `url`, with a self-signed certificate. */
export async function openTlsProxy(url) {
  const far = new URL(url);
  const open = new Set();
  const listener = createServer(await certificate(), (near) => {
    const server = connect({ host: far.hostname, port: far.port });
    for (const [one, other] of [[near, server], [server, near]]) {
      open.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    url: `https://127.0.0.1:${listener.address().port}${far.pathname.replace(/\/$/, '')}`,
    close: closing(async () => {
      listener.close();
      open.forEach((socket) => socket.destroy());
      await once(listener, 'close');
    }),
  };
}

async function certificate() {
  const { cert, key, remove } = await createCertificate();
  try {
    return { key: await readFile(key), cert: await readFile(cert) };
  } finally {
    await remove();
  }
}

/** Creates a self-signed certificate. Returns the paths of its files. */
export async function createCertificate() {
  const directory = await mkdtemp(join(tmpdir(), 'livechat-tls-'));
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(directory, name));
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'];
  await promisify(execFile)('openssl', [...request, '-subj', '/CN=127.0.0.1', '-keyout', key, '-out', cert]);
  return { key, cert, remove: closing(() => rm(directory, { recursive: true })) };
}
