// Makes a page in the style of the original website live. Add it as a script after jQuery and before the page's own scripts.
//
// Such a page reads a room over the legacy routes, once or again and again, and puts names and texts into `.chat-msgs-box` as
// markup. This script answers the page's requests instead of jQuery: a room comes without its messages, and markup in other
// responses is escaped. The box shows the room that the page has read, with new messages as they arrive, and only as text.

(() => {
  const BOX = '.chat-msgs-box';
  /** The end of the paths of the legacy routes that return what users have written. */
  const ROUTE = /(?:\/v1)?\/room(\/message\/(?:send|edit|delete))?\/?$/;

  /** @typedef {{ request: string, response: string, room: import('./index.js').Room }} ShownRoom */

  const { jQuery } = /** @type {any} */ (globalThis);
  const script = /** @type {HTMLScriptElement} */ (document.currentScript);
  if (!jQuery) throw new Error('Load jQuery before legacy.js.');
  // This script has no base URL of its own on pages of other origins.
  const loading = import(new URL('legacy/box.js', script.src).href);
  /** @type {Promise<ShownRoom> | null} */
  let shown = null;

  jQuery.ajaxTransport('+*', (/** @type {any} */ options) => {
    const url = new URL(options.url, document.baseURI);
    const route = ROUTE.exec(url.pathname);
    if (!route || options.type !== 'POST') return;
    const server = new URL(url.pathname.slice(0, route.index) || '/', url);
    const respond = route[1] ? change : read;
    const leaving = new AbortController();
    return {
      /**
       * @param {Record<string, string>} headers
       * @param {(status: number, text: string, responses?: { text: string }, headers?: string) => void} complete
       */
      send(headers, complete) {
        const request = () => fetch(url, { method: 'POST', headers, body: options.data, signal: leaving.signal });
        respond(request, options.data, server).then(
          ({ status, text }) => complete(status, '', { text }, 'content-type: application/json'),
          (error) => complete(0, String(error)),
        );
      },
      abort: () => leaving.abort(),
    };
  });

  /**
   * @param {() => Promise<Response>} request
   */
  async function change(request) {
    const response = await request();
    return { status: response.status, text: escapeMarkup(await response.text()) };
  }

  /**
   * Reads a room for the page, and shows it. While it is shown, the page can read it again without a request.
   *
   * @param {() => Promise<Response>} request
   * @param {string} body
   * @param {URL} server
   */
  async function read(request, body, server) {
    const known = await shown;
    if (known?.request === body && ['connecting', 'live', 'lost'].includes(known.room.state.connection)) {
      return { status: 200, text: known.response };
    }
    const { status, text } = await change(request);
    const record = parse(text);
    const box = document.querySelector(BOX);
    if (!record?.data || !box) return { status, text };
    record.data.messages = [];
    const response = JSON.stringify(record);
    const { room_id: roomId, room_code: roomCode } = JSON.parse(body);
    // The page may have read another room in the meantime.
    (await shown)?.room.leave();
    shown = loading.then(({ showRoom }) => ({ request: body, response, room: showRoom(box, server, { roomId, roomCode }) }));
    await shown;
    return { status, text: response };
  }

  /**
   * JSON in which no string has a character of markup.
   *
   * @param {string} text
   */
  function escapeMarkup(text) {
    const value = parse(text, (_, part) => (typeof part === 'string' ? part.replace(/[&<>"'`]/g, (char) => `&#${char.charCodeAt(0)};`) : part));
    // What is not JSON comes from something else than the server, such as a proxy.
    return value === undefined ? '' : JSON.stringify(value);
  }

  /**
   * @param {string} text
   * @param {(key: string, value: any) => any} [reviver]
   */
  function parse(text, reviver) {
    try {
      return JSON.parse(text, reviver);
    } catch {
      return undefined;
    }
  }
})();
