// One subscription over a WebSocket of its own, in the graphql-transport-ws protocol.
//
// Over HTTP/1.1 a browser opens at most six connections to a server, for all tabs together. A WebSocket is not one of
// them, so it keeps no request of any tab waiting.

import { socketUrl } from './graphql.js';

const PROTOCOL = 'graphql-transport-ws';

/** Names the one subscription of a socket. */
const ID = '1';

/** How long the handshake and its acknowledgement may take, in milliseconds. */
const OPEN_WITHIN = 8_000;

/** How often the server is asked for a sign of life, in milliseconds. */
const PING_EVERY = 25_000;

/** How long a sign of life may take to arrive, in milliseconds. */
const PONG_WITHIN = 8_000;

/** A timer that fires later than this was held up by the browser, or the computer was asleep. In milliseconds. */
const HELD_UP = 2_000;

/**
 * Subscribes. Calls `on.open()` once the server has accepted the connection, `on.result(result)` for each result, and in
 * the end, unless it is closed before, either `on.complete()` or `on.lost(reason)`: `reason.isHopeless` when the server
 * refused the protocol, `reason.isTimeout` when nothing came back.
 */
export function openSocket(query, variables, on) {
  let socket;
  let timer;
  let heardAt = 0;
  let isOpen = false;
  let isOver = false;

  const close = () => {
    isOver = true;
    clearTimeout(timer);
    socket?.close();
  };
  const end = (tell) => {
    if (isOver) return;
    close();
    tell();
  };
  const lose = (reason = {}) => end(() => on.lost(reason));
  const send = (message) => socket.send(JSON.stringify(message));

  /** Gives the connection up unless something arrives in time. */
  const expectSignOfLife = (milliseconds, isSecondChance = false) => {
    clearTimeout(timer);
    const askedAt = performance.now();
    timer = setTimeout(() => {
      if (isOpen && heardAt >= askedAt) return rest();
      // What arrived meanwhile may wait behind this timer, which a page in the background is often called by too late.
      const isLate = performance.now() - askedAt > milliseconds + HELD_UP;
      if (isLate && !isSecondChance) expectSignOfLife(milliseconds, true);
      else lose({ isTimeout: true });
    }, milliseconds);
  };
  const check = () => {
    if (isOver || !isOpen) return;
    send({ type: 'ping' });
    expectSignOfLife(PONG_WITHIN);
  };
  const rest = () => {
    clearTimeout(timer);
    timer = setTimeout(check, PING_EVERY);
  };

  const receive = ({ type, id, payload }) => {
    if (type === 'connection_ack') {
      isOpen = true;
      send({ type: 'subscribe', id: ID, payload: { query, variables } });
      rest();
      on.open();
    } else if (type === 'ping') {
      send({ type: 'pong', payload });
    } else if (id === ID) {
      if (type === 'next') on.result(payload);
      if (type === 'error') on.result({ errors: payload });
      if (type === 'error' || type === 'complete') end(on.complete);
    }
  };

  try {
    socket = new WebSocket(socketUrl(), PROTOCOL);
  } catch {
    // The page may not open it: older browsers do not count it as the page's own origin. Tell it after the caller knows what it has opened.
    timer = setTimeout(() => lose({ isHopeless: true }));
    return { check, close };
  }
  socket.addEventListener('open', () => !isOver && send({ type: 'connection_init' }));
  socket.addEventListener('message', ({ data }) => {
    heardAt = performance.now();
    const message = parsed(data);
    if (isOver) return;
    if (message) receive(message);
    else lose({ isHopeless: true });
  });
  socket.addEventListener('close', ({ code }) => lose({ isHopeless: isHopeless(code) }));
  expectSignOfLife(OPEN_WITHIN);
  return {
    /** Finds out whether the connection still stands. */
    check,
    /** Takes no more, and calls nobody any more. */
    close,
  };
}

/** Whether a connection that was closed with this code would be closed with it again. 4408 means only that it was late. */
const isHopeless = (code) => [1002, 1003, 1007, 1008, 1009, 1010].includes(code) || (code >= 4400 && code < 4499 && code !== 4408);

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
