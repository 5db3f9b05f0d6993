// A server and a browser for the tests: the real binary on a free port, and Debian's Chromium without a window.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { chromium } from 'playwright-core';

const BINARY = process.env.LIVECHAT ?? new URL('../../target/debug/livechat', import.meta.url).pathname;
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Starts a server with an empty store of its own. */
export async function startServer() {
  const directory = await mkdtemp(join(tmpdir(), 'livechat-'));
  const child = spawn(BINARY, [], { cwd: directory, env: { LISTEN_ADDR: '127.0.0.1:0' } });
  let log = '';
  child.stderr.on('data', (data) => (log += data));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const url = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`the server did not start:\n${log}`)));
    createInterface(child.stdout).on('line', (line) => {
      const found = /^GraphQL\s+(http.*)\/graphql$/.exec(line);
      if (found) resolve(found[1]);
    });
  });
  return {
    url,
    async graphql(query) {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify({ query }) });
      return answer.json();
    },
    async until(isSo) {
      const deadline = Date.now() + 20_000;
      while (!(await isSo())) {
        if (Date.now() > deadline) throw new Error('it never became so');
        await sleep(50);
      }
    },
    async stop() {
      child.kill('SIGTERM');
      await ended;
      await rm(directory, { recursive: true });
    },
  };
}

/** Opens a Chromium that asks nobody outside of this machine. */
export function openBrowser() {
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic'];
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', ...quiet] });
}
