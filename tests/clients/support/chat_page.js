// The chat page in a browser, with the actions of a user and the checks of a test.

import assert from 'node:assert/strict';

import { PATIENCE, until } from './until.js';

/**
 * Opens an empty page in a window of its own. Chromium gives less processor time to tabs in the background, and would slow down
 * the first of several.
 */
async function openWindow(context) {
  const [first] = context.pages();
  if (!first) return context.newPage();
  const opened = context.waitForEvent('page');
  await first.evaluate(() => {
    open('about:blank', '', 'popup,noopener');
  });
  return opened;
}

/**
 * Opens the chat page of the server at `url`, in a new browser profile with these options, or in `context`. Calls
 * `prepare(page)` before the page loads. `pictures` is an origin from which it may load pictures.
 */
export async function openChat(browser, url, { fragment = '', context, prepare, pictures, ...options } = {}) {
  context ??= await browser.newContext({ viewport: { width: 1000, height: 700 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await openWindow(context);
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.stack));
  page.on('console', (message) => {
    if (/Content Security Policy|Trusted/.test(message.text())) faults.push(message.text());
  });
  const checkOrigin = (address) => {
    const { origin } = new URL(address.replace(/^ws/, 'http'));
    if (origin !== new URL(url).origin && origin !== pictures) faults.push(`requested ${address}`);
  };
  const sockets = [];
  const streams = [];
  page.on('request', (request) => {
    checkOrigin(request.url());
    if (request.headers().accept === 'text/event-stream') streams.push(request);
  });
  page.on('websocket', (socket) => {
    checkOrigin(socket.url());
    sockets.push(socket);
  });
  await page.addInitScript(() => {
    window.states = [];
    window.shown = { banner: [], access: [], typing: [] };
    const record = (history, value) => value && value !== history.at(-1) && history.push(value);
    const recordShown = () => {
      record(window.states, document.querySelector('.banner')?.dataset.state);
      for (const [line, history] of Object.entries(window.shown)) record(history, document.querySelector(`.${line}`)?.textContent);
    };
    new MutationObserver(recordShown).observe(document, { subtree: true, childList: true, attributes: true });
  });
  await prepare?.(page);
  await page.goto(`${url}/${fragment}`);

  const chat = {
    page,
    context,
    url,
    /** Errors, violations of the policy, and requests to other origins. */
    faults,
    /** The WebSockets that the page has opened. */
    sockets,
    /** The requests for server-sent events that the page has sent. */
    streams,
    get fragment() {
      return new URL(page.url()).hash;
    },
    async createRoom() {
      await page.getByRole('button', { name: 'Create a room' }).click();
      await chat.waitUntilLive();
    },
    async waitUntilLive() {
      await chat.waitForState('live');
    },
    /** Waits for a state of the connection that lasts until the test goes on. */
    waitForState: (state) => page.waitForSelector(`.banner[data-state=${state}]`, { state: 'attached' }),
    /** Waits until the connection was lost, however shortly, and is live. */
    waitUntilLiveAgain: () => until(async () => {
      const states = await chat.states();
      return states.includes('lost') && states.at(-1) === 'live';
    }),
    /** Returns all states of the connection since the page was loaded. */
    states: () => page.evaluate(() => window.states),
    /** Returns all texts since the page was loaded of a line that changes by itself: `banner`, `access` or `typing`. */
    textsOf: (line) => page.evaluate((line) => window.shown[line], line),
    /** Waits until such a line has shown a text that matches, however shortly. */
    waitUntilShown: (line, pattern) =>
      until(async () => (await chat.textsOf(line)).some((text) => pattern.test(text)), () => chat.textsOf(line)),
    async setName(name) {
      await page.getByLabel('Your name').fill(name);
    },
    /** Submits a message without waiting. */
    async submit(text) {
      await page.getByLabel('Message', { exact: true }).fill(text);
      await page.getByRole('button', { name: 'Send' }).click();
    },
    async send(text) {
      await chat.submit(text);
      await chat.waitUntilSent();
    },
    waitUntilSent: () => page.waitForFunction(() => !document.querySelector('.pending')),
    /** Waits until the element with this label or text has the focus. */
    async waitForFocus(name) {
      let focused;
      const label = () => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent;
      await until(async () => (focused = await page.evaluate(label)) === name, () => `Expected ${name}, focused ${focused}`);
    },
    /** Returns the texts of the messages shown, in order. */
    texts: () =>
      page.$$eval('.row:not(.pending) .text', (all) => all.map((text) => text.firstChild.textContent)),
    /** Waits until exactly these messages are shown. */
    async waitForTexts(...texts) {
      let shown;
      await until(
        async () => JSON.stringify((shown = await chat.texts())) === JSON.stringify(texts),
        () => `Expected ${JSON.stringify(texts)}, shown ${JSON.stringify(shown)}, ${faults}`,
      );
    },
    row: (text) => page.locator('.row', { has: page.locator('.text', { hasText: text }) }).last(),
    /** Clicks a button of a message. */
    async clickButtonOf(text, action) {
      await chat.row(text).hover();
      await chat.row(text).getByRole('button', { name: action, exact: true }).click();
    },
    /** Chooses an item of the menu of a message. */
    async choose(text, item) {
      await chat.clickButtonOf(text, 'More');
      await page.getByRole('menuitem', { name: item }).click();
    },
    /** Answers in the dialog that is open. */
    async confirm(answer) {
      await page.getByRole('dialog').getByRole('button', { name: answer, exact: true }).click();
    },
    async close() {
      assert.deepEqual(faults, []);
      await context.close();
    },
  };
  return chat;
}
