// The fixture of chat page tests: a server, a browser, and rooms that are open in the browser.

import { before } from 'node:test';

import { createRoom } from './author.js';
import { openBrowser } from './browser.js';
import { openChat } from './chat_page.js';
import { startServer } from './server.js';

/** Returns the fragment of the link to a room. */
export const fragmentOf = ({ key }) => `#${key.roomId}/${key.roomCode}`;

/** Options for a browser without WebSockets, so that the page uses server-sent events. */
export const withoutWebSockets = { prepare: (page) => page.addInitScript(() => delete globalThis.WebSocket) };

/** Starts a server and a browser before the tests of a file. They are closed afterwards. */
export function useChat() {
  let ready;
  const fixture = {
    server: null,
    browser: null,

    /** Opens the chat page, by default of the server of the fixture. The options are those of `openChat`. */
    async open({ url, ...options } = {}) {
      await ready;
      return openChat(fixture.browser, url ?? fixture.server.url, options);
    },

    /** Opens a room and waits until its page is live. */
    async enter(room, options) {
      const chat = await fixture.open({ ...options, fragment: fragmentOf(room) });
      await chat.waitUntilLive();
      return chat;
    },

    /** Creates a room over the API of `server`, and opens it. */
    async enterNewRoom({ server = fixture.server, ...options } = {}) {
      const room = await createRoom(server.graphql);
      const chat = await fixture.enter(room, { url: server.url, ...options });
      return { room, chat };
    },
  };

  before(() => (ready = start()));

  async function start() {
    [fixture.server, fixture.browser] = await Promise.all([startServer(), openBrowser()]);
  }

  return fixture;
}
