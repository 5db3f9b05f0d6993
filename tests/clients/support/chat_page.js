// The chat page, open in a browser of somebody's own.

import assert from 'node:assert/strict';

import { until } from './until.js';

/**
 * Opens the page at `url`, with a fragment if one is given, in a new browser profile with these options. `prepare(page)` is
 * called before anything is loaded.
 */
export async function openChat(browser, url, { fragment = '', context, prepare, ...options } = {}) {
  context ??= await browser.newContext({ viewport: { width: 1000, height: 700 }, ...options });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.stack));
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/.test(message.text())) faults.push(message.text());
  });
  const checkOrigin = (address) => {
    if (new URL(address.replace(/^ws/, 'http')).origin !== new URL(url).origin) faults.push(`asked for ${address}`);
  };
  const sockets = [];
  const streams = [];
  page.on('request', (request) => {
    checkOrigin(request.url());
    if (request.resourceType() === 'eventsource') streams.push(request);
  });
  page.on('websocket', (socket) => {
    checkOrigin(socket.url());
    sockets.push(socket);
  });
  await page.addInitScript(() => {
    window.states = [];
    const look = () => {
      const state = document.querySelector('.banner')?.dataset.state;
      if (state && state !== window.states.at(-1)) window.states.push(state);
    };
    new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
  });
  await prepare?.(page);
  await page.goto(`${url}/${fragment}`);

  const chat = {
    page,
    context,
    url,
    /** What must not be: errors, violations of the policy, requests to others. */
    faults,
    /** The WebSockets that the page has opened so far. */
    sockets,
    /** The server-sent events that it has asked for so far. */
    streams,
    get fragment() {
      return new URL(page.url()).hash;
    },
    async createRoom() {
      await page.getByRole('button', { name: 'Create a room' }).click();
      await chat.isIn();
    },
    async isIn() {
      await chat.connectionIs('live');
    },
    connectionIs: (state) => page.waitForSelector(`.banner[data-state=${state}]`, { state: 'attached' }),
    /** How the connection was, from the beginning. */
    states: () => page.evaluate(() => window.states),
    async callMyself(name) {
      await page.getByLabel('Your name').fill(name);
    },
    async type(text) {
      await page.getByLabel('Message', { exact: true }).fill(text);
      await page.getByRole('button', { name: 'Send' }).click();
    },
    async send(text) {
      await chat.type(text);
      await chat.isSent();
    },
    isSent: () => page.waitForFunction(() => !document.querySelector('.pending')),
    /** The texts that are to be seen, in order. */
    texts: () =>
      page.$$eval('.row:not(.pending) .text', (all) => all.map((text) => text.firstChild.textContent)),
    async shows(...texts) {
      let seen;
      await until(
        async () => JSON.stringify((seen = await chat.texts())) === JSON.stringify(texts),
        () => `Wanted ${JSON.stringify(texts)}, seen ${JSON.stringify(seen)}, ${faults}`,
      );
    },
    row: (text) => page.locator('.row', { hasText: text }).last(),
    async act(text, action) {
      await chat.row(text).hover();
      await chat.row(text).getByRole('button', { name: action }).click();
    },
    async close() {
      assert.deepEqual(faults, []);
      await context.close();
    },
  };
  return chat;
}
