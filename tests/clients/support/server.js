// The server binary on a free port, with an empty store.

import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const BINARY = process.env.LIVECHAT ?? new URL('../../../target/debug/livechat', import.meta.url).pathname;

// Cleans up after aborted tests, too.
const running = new Set();
const directories = new Set();
process.once('exit', () => {
  running.forEach((child) => child.kill('SIGKILL'));
  directories.forEach((directory) => rmSync(directory, { recursive: true, force: true }));
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** Starts a server with these settings. */
export async function startServer(settings = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'livechat-'));
  directories.add(directory);
  let { child, ended, url } = await start('127.0.0.1:0');

  async function start(address) {
    const env = { DRAIN_SECONDS: '1', RATE_LIMITS: 'off', ...settings, LISTEN_ADDR: address };
    const child = spawn(BINARY, [], { cwd: directory, env });
    running.add(child);
    let log = '';
    child.stderr.on('data', (data) => (log += data));
    const ended = new Promise((resolve) => child.once('exit', resolve)).then(() => running.delete(child));
    const url = await new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error(`the server did not start:\n${log}`)));
      createInterface(child.stdout).on('line', (line) => {
        const found = /^Chat page\s+(http.*)\/$/.exec(line);
        if (found) resolve(found[1]);
      });
    });
    return { child, ended, url };
  }

  async function end() {
    child.kill('SIGTERM');
    await ended;
  }

  async function startAgain() {
    ({ child, ended } = await start(new URL(url).host));
  }

  return {
    url,
    /** Sends a GraphQL request and returns the body of the response. */
    async graphql(query, variables) {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ query, variables });
      return (await fetch(`${url}/graphql`, { method: 'POST', headers, body })).json();
    },
    /** Restarts the server with the same port and data. */
    async restart() {
      await end();
      await startAgain();
    },
    /** Restarts the server and backs up its data meanwhile. Returns a function that restarts it with the backup. */
    async backUp() {
      const [data, backup] = ['data', 'backup'].map((name) => join(directory, name));
      await end();
      await cp(data, backup, { recursive: true });
      await startAgain();
      return async () => {
        await end();
        await rm(data, { recursive: true });
        await cp(backup, data, { recursive: true });
        await startAgain();
      };
    },
    async stop() {
      await end();
      await rm(directory, { recursive: true });
      directories.delete(directory);
    },
  };
}
