// The client of this page's server, and what the page itself remembers. The modules below /client/ are those of the npm package
// livechat-client, of the same version as the server.

import { LiveChat } from '../client/index.js';
import { Store } from '../client/storage.js';

/** The folder of this page. Several servers can share an origin, each below its own path. */
const BASE = new URL('.', location.href);

/** How far the clock of the server is ahead of the local one, in milliseconds. */
let clockOffset = 0;

/** Returns the time of the server, in milliseconds. */
export const serverNow = () => Date.now() + clockOffset;

export const chat = new LiveChat(BASE, { fetch: fetchAndSyncClock });

/** What the page remembers besides the users and tokens of the client. */
export const store = new Store(`livechat:page:${BASE.pathname}:`);

async function fetchAndSyncClock(url, options) {
  const response = await fetch(url, options);
  const serverTime = Date.parse(response.headers.get('date'));
  // The header has whole seconds only, so smaller differences are ignored.
  const difference = serverTime - Date.now();
  if (!Number.isNaN(serverTime)) clockOffset = Math.abs(difference) < 2_000 ? 0 : difference;
  return response;
}
