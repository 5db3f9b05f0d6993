// Chromium for tests, without a window.

import { chromium } from 'playwright-core';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Starts a Chromium that resolves no names and contacts no other machine. */
export function openBrowser() {
  const noBackgroundTraffic = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--disable-quic'];
  const noNames = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1';
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', noNames, ...noBackgroundTraffic] });
}
