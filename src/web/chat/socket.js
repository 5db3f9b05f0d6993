// Subscriptions over a WebSocket, with the graphql-transport-ws protocol. The first one decides: the socket ends with it.
//
// Over HTTP/1.1, a browser opens at most six connections to a server, for all tabs together. WebSockets do not count, so they
// do not delay the requests of any tab.

import { socketUrl } from './graphql.js';

const PROTOCOL = 'graphql-transport-ws';

/** Time limit of the handshake and its acknowledgement, in milliseconds. */
const OPEN_TIMEOUT = 8_000;

/** Interval of pings to the server, in milliseconds. */
const PING_INTERVAL = 25_000;

/** Time limit of the response to a ping, in milliseconds. */
const PONG_TIMEOUT = 8_000;

/** A timer that fires this late was throttled by the browser, or the computer was asleep. In milliseconds. */
const LATE_TIMER = 2_000;

/**
 * Subscribes. Calls `on.open()` once the server has accepted the connection and `on.result(result)` for each result. At the end,
 * unless it is closed before, it calls either `on.complete()` or `on.lost(reason)`. `reason.isPermanent` means that the server
 * rejected the protocol, `reason.isTimeout` that it did not respond.
 *
 * Returns the connection: `check()` sends a ping to find out whether it still works, `close()` closes it, and no callback is called
 * afterwards. Once it is open, `subscribe(query, variables, on)` adds a subscription with `on.result` and `on.complete`, and returns
 * a function that ends it. If the connection ends, so do its subscriptions, without a callback.
 */
export function openSocket(query, variables, on) {
  let socket;
  let timer;
  let lastReceived = 0;
  let isOpen = false;
  let isClosed = false;
  let lastId = 0;
  const subscriptions = new Map();

  const close = () => {
    isClosed = true;
    clearTimeout(timer);
    subscriptions.clear();
    socket?.close();
  };
  const end = (notify) => {
    if (isClosed) return;
    close();
    notify();
  };
  const lose = (reason = {}) => end(() => on.lost(reason));
  const send = (message) => socket.send(JSON.stringify(message));

  const subscribe = (query, variables, on) => {
    const id = String((lastId += 1));
    subscriptions.set(id, on);
    send({ type: 'subscribe', id, payload: { query, variables } });
    return () => subscriptions.delete(id) && send({ type: 'complete', id });
  };

  /** Gives up the connection unless a message arrives in time. */
  const expectMessage = (milliseconds, isSecondChance = false) => {
    clearTimeout(timer);
    const start = performance.now();
    timer = setTimeout(() => {
      if (isOpen && lastReceived >= start) return schedulePing();
      // Browsers throttle timers of background pages. Messages that have arrived meanwhile may be queued behind this one.
      const isLate = performance.now() - start > milliseconds + LATE_TIMER;
      if (isLate && !isSecondChance) expectMessage(milliseconds, true);
      else lose({ isTimeout: true });
    }, milliseconds);
  };
  const check = () => {
    if (isClosed || !isOpen) return;
    send({ type: 'ping' });
    expectMessage(PONG_TIMEOUT);
  };
  const schedulePing = () => {
    clearTimeout(timer);
    timer = setTimeout(check, PING_INTERVAL);
  };

  const receive = ({ type, id, payload }) => {
    if (type === 'connection_ack') {
      isOpen = true;
      subscribe(query, variables, { result: on.result, complete: () => end(on.complete) });
      schedulePing();
      on.open();
    } else if (type === 'ping') {
      send({ type: 'pong', payload });
    } else if (subscriptions.has(id)) {
      const subscription = subscriptions.get(id);
      const isLast = type === 'error' || type === 'complete';
      if (isLast) subscriptions.delete(id);
      if (type === 'next') subscription.result(payload);
      if (type === 'error') subscription.result({ errors: payload });
      if (isLast) subscription.complete();
    }
  };

  try {
    socket = new WebSocket(socketUrl(), PROTOCOL);
  } catch {
    // The policy of the page forbids it: for older browsers, 'self' does not include WebSockets. Report it after returning.
    timer = setTimeout(() => lose({ isPermanent: true }));
    return { check, close, subscribe };
  }
  socket.addEventListener('open', () => !isClosed && send({ type: 'connection_init' }));
  socket.addEventListener('message', ({ data }) => {
    lastReceived = performance.now();
    const message = parse(data);
    if (isClosed) return;
    if (message) receive(message);
    else lose({ isPermanent: true });
  });
  socket.addEventListener('close', ({ code }) => lose({ isPermanent: isPermanent(code) }));
  expectMessage(OPEN_TIMEOUT);
  return { check, close, subscribe };
}

/** Whether the next connection would be closed with this code, too. 4408 only means that the client was too slow. */
const isPermanent = (code) => [1002, 1003, 1007, 1008, 1009, 1010].includes(code) || (code >= 4400 && code < 4499 && code !== 4408);

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    return null;
  }
}
