// The server binary on a free port, with an empty store.

import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { closing } from './cleanup.js';
import { PATIENCE } from './until.js';

const BINARY = process.env.LIVECHAT ?? new URL('../../../target/debug/livechat', import.meta.url).pathname;

// Cleans up after aborted runs, too.
const running = new Set();
const directories = new Set();
process.once('exit', () => {
  running.forEach((child) => child.kill('SIGKILL'));
  directories.forEach((directory) => rmSync(directory, { recursive: true, force: true }));
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));

/** Starts a server with these settings. It is stopped at the end of the file at the latest. */
export async function startServer(settings = {}) {
  const directory = await mkdtemp(join(tmpdir(), 'livechat-'));
  directories.add(directory);
  const stop = closing(async () => {
    if (child) await shutDown();
    await rm(directory, { recursive: true });
    directories.delete(directory);
  });
  let child;
  let ended;
  const url = await start('127.0.0.1:0');

  async function start(address) {
    const env = { DRAIN_SECONDS: '1', RATE_LIMITS: 'off', ...settings, LISTEN_ADDR: address };
    const started = spawn(BINARY, [], { cwd: directory, env });
    child = started;
    running.add(started);
    let log = '';
    started.stderr.on('data', (data) => (log += data));
    ended = new Promise((resolve) => started.once('exit', resolve).once('error', resolve)).then(() => running.delete(started));
    return new Promise((resolve, reject) => {
      started.once('error', reject);
      started.once('exit', () => reject(new Error(`the server did not start:\n${log}`)));
      createInterface(started.stdout).on('line', (line) => {
        const found = /^Chat page\s+(http.*)\/$/.exec(line);
        if (found) resolve(found[1]);
      });
    });
  }

  async function shutDown() {
    child.kill('SIGTERM');
    const hasEnded = await Promise.race([ended, sleep(PATIENCE, false, { ref: false })]);
    if (hasEnded) return;
    child.kill('SIGKILL');
    throw new Error('the server did not stop');
  }

  async function startAgain() {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      try {
        return await start(new URL(url).host);
      } catch (error) {
        // Meanwhile, the system may have given the port to a connection of another test.
        if (!/in use/.test(error.message) || Date.now() > deadline) throw error;
        await sleep(100);
      }
    }
  }

  return {
    url,
    /** Sends a GraphQL request and returns the body of the response. */
    async graphql(query, variables) {
      const headers = { 'content-type': 'application/json' };
      const body = JSON.stringify({ query, variables });
      return (await fetch(`${url}/graphql`, { method: 'POST', headers, body })).json();
    },
    /** Stops the server until `startAgain()`, which starts it with the same port and data. */
    shutDown,
    startAgain,
    async restart() {
      await shutDown();
      await startAgain();
    },
    /** Restarts the server and backs up its data meanwhile. Returns a function that restarts it with the backup. */
    async backUp() {
      const [data, backup] = ['data', 'backup'].map((name) => join(directory, name));
      await shutDown();
      await cp(data, backup, { recursive: true });
      await startAgain();
      return async () => {
        await shutDown();
        await rm(data, { recursive: true });
        await cp(backup, data, { recursive: true });
        await startAgain();
      };
    },
    stop,
  };
}
