// Chromium for tests, without a window.

import { chromium } from 'playwright-core';

import { closing } from './cleanup.js';
import { PATIENCE } from './until.js';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

const NO_BACKGROUND_TRAFFIC = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic'];
const NO_NAMES = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE 127.0.0.2';
const OPTIONS = { executablePath: CHROMIUM, timeout: PATIENCE, args: ['--no-sandbox', '--disable-gpu', NO_NAMES, ...NO_BACKGROUND_TRAFFIC] };

/** Starts a Chromium that resolves no names and contacts no other machine. */
export async function openBrowser() {
  const browser = await chromium.launch(OPTIONS);
  closing(() => browser.close());
  return browser;
}

/** The same, with the id of its process, which a test can freeze. */
export async function launchChromium() {
  const launched = await chromium.launchServer(OPTIONS);
  const close = closing(() => launched.close());
  const browser = await chromium.connect(launched.wsEndpoint());
  return { browser, pid: launched.process().pid, close };
}
