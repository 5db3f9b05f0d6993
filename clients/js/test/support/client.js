// Clients of the package in Node.js, over both transports.

import WebSocket from 'ws';

import { LiveChat } from '../../src/index.js';

/** Short delays between tries, so that tests do not wait, and time limits that even a busy machine does not reach. */
export const QUICK = { minRetry: 10, maxRetry: 200, open: 30_000, pong: 30_000, request: 30_000 };

/** The transports by name: the `WebSocket` option of a client. */
export const TRANSPORTS = { 'WebSocket': WebSocket, 'server-sent events': null };

/** Creates a client that is closed after the test `t`. */
export function openClient(t, url, { timing, ...options } = {}) {
  const chat = new LiveChat(url, { WebSocket, timing: { ...QUICK, ...timing }, ...options });
  t.after(() => chat.close());
  return chat;
}

/** Records the events of a room. `over` resolves when the room has ended. */
export function record(room) {
  const events = [];
  const over = (async () => {
    for await (const event of room) events.push(event);
  })();
  over.catch(() => {});
  return { events, over, texts: () => events.map(({ message }) => message?.text) };
}

/** The texts of the messages that a room shows. */
export const textsOf = (room) => room.state.messages.map(({ text }) => text);

/** A fetch that passes each request to `intercept(body, proceed)`, which returns a response. */
export const intercepting = (intercept) => (url, init) => intercept(JSON.parse(init.body), () => fetch(url, init));

/** The response to a request that the server has refused. */
export const refusal = (code, extensions) =>
  Response.json({ errors: [{ message: `refused with ${code}`, extensions: { code, ...extensions } }] });
