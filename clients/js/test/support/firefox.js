// Firefox for tests, without a window, over WebDriver BiDi, which Firefox speaks itself.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import WebSocket from 'ws';

const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

/** Firefox reaches this machine only: all other requests go to a proxy that does not exist. */
const PREFERENCES = {
  'network.proxy.type': 1,
  'network.proxy.http': '127.0.0.1',
  'network.proxy.http_port': 9,
  'network.proxy.ssl': '127.0.0.1',
  'network.proxy.ssl_port': 9,
  'network.proxy.no_proxies_on': '127.0.0.1',
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'app.update.enabled': false,
  'app.normandy.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.safebrowsing.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.page': 0,
  'browser.startup.homepage_override.mstone': 'ignore',
  'datareporting.policy.dataSubmissionEnabled': false,
  'dom.ipc.processPrelaunch.enabled': false,
  'extensions.update.enabled': false,
  'services.settings.server': 'data:,#remote-settings-dummy/v1',
  'toolkit.telemetry.server': '',
};

/** Started browsers and their profiles, which must not outlive this process. */
const running = new Map();
process.once('exit', () => {
  for (const [child, profile] of running) {
    child.kill('SIGKILL');
    rmSync(profile, { recursive: true, force: true });
  }
});

/** Starts a Firefox. `command` sends a command of WebDriver BiDi, and `evaluate` calls a function in a tab. */
export async function launchFirefox() {
  const profile = await mkdtemp(join(tmpdir(), 'livechat-firefox-'));
  const lines = Object.entries(PREFERENCES).map((preference) => `user_pref(${preference.map((part) => JSON.stringify(part))});`);
  await writeFile(join(profile, 'user.js'), lines.join('\n'));
  const env = { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' };
  const options = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0'];
  const child = spawn(FIREFOX, options, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  running.set(child, profile);
  const exited = once(child, 'exit').catch(() => {});

  let log = '';
  const address = await new Promise((resolve, reject) => {
    child.once('error', () => reject(new Error(`${FIREFOX} cannot be started. tests/tools.sh installs it.`)));
    child.once('exit', () => reject(new Error(`Firefox has ended:\n${log}`)));
    createInterface(child.stderr).on('line', (line) => {
      log = `${log}${line}\n`.slice(-10_000);
      const found = /^WebDriver BiDi listening on (ws:.*)$/.exec(line);
      if (found) resolve(found[1]);
    });
  });
  const socket = new WebSocket(`${address}/session`);
  await once(socket, 'open');

  const waiting = new Map();
  socket.once('close', () => waiting.forEach(({ reject }) => reject(new Error(`Firefox has ended:\n${log}`))));
  let lastId = 0;
  socket.on('message', (data) => {
    const { id, result, error, message } = JSON.parse(data);
    const settle = waiting.get(id);
    waiting.delete(id);
    if (error) settle?.reject(new Error(`${error}: ${message}`));
    else settle?.resolve(result);
  });
  const command = (method, params = {}) =>
    new Promise((resolve, reject) => {
      const id = (lastId += 1);
      waiting.set(id, { resolve, reject });
      socket.send(JSON.stringify({ id, method, params }));
    });
  await command('session.new', { capabilities: {} });

  return {
    pid: child.pid,
    command,
    /** Calls a function, whose source this is, with texts. It returns a promise of a text. */
    async evaluate(context, functionDeclaration, ...texts) {
      const values = texts.map((value) => ({ type: 'string', value }));
      const target = { context };
      const call = { functionDeclaration, target, arguments: values, awaitPromise: true };
      const { result, exceptionDetails } = await command('script.callFunction', call);
      if (exceptionDetails) throw new Error(exceptionDetails.text);
      return result.value;
    },
    async close() {
      socket.terminate();
      child.kill('SIGKILL');
      await exited;
      running.delete(child);
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
