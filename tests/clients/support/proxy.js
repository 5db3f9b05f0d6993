// A TCP proxy between a client and its server, which a test can break.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

import { closing } from './cleanup.js';

/** Starts a proxy in front of the server at `url`. */
export async function openProxy(url) {
  const { hostname, port } = new URL(url);
  const open = new Set();
  let refusing = false;
  let stalled = false;
  let sockets = null;
  let socketsToRefuse = 0;
  let losesResponse = false;
  let lost = 0;
  let accepted = 0;
  let refused = 0;

  const listener = createServer((near) => {
    near.on('error', () => {});
    if (refusing) {
      open.add(near);
      near.once('close', () => open.delete(near));
      // Once the client is connected for certain. Before, some clients report a failure of their own, outside of any promise
      // that they gave.
      near.once('data', () => {
        refused += 1;
        near.resetAndDestroy();
      });
      return;
    }
    if (stalled) {
      open.add(near);
      return;
    }
    if (sockets === null) forward(near);
    else near.once('data', (head) => (isHandshake(head) && socketsToRefuse > 0 ? refuseSocket(near) : forward(near, head)));
  });

  /** Connects a client with the server. `head` is what the client has already sent. */
  function forward(near, head = '') {
    accepted += 1;
    const far = connect({ host: hostname, port });
    far.on('error', () => {});
    far.write(head);
    far.on('data', (data) => {
      if (!losesResponse || !isResponse(data)) return;
      losesResponse = false;
      lost += 1;
      near.resetAndDestroy();
    });
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.pipe(other);
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
  }

  const isHandshake = (head) => /^upgrade: *websocket/im.test(head.toString('latin1'));

  /** Whether these bytes begin a response over HTTP to a request, not an upgrade or an event stream. */
  const isResponse = (data) => /^HTTP\/1\.1 [^1](?![^]*text\/event-stream)/.test(data.toString('latin1'));

  /** Responds to a handshake with the configured response, or not at all. */
  function refuseSocket(near) {
    refused += 1;
    socketsToRefuse -= 1;
    open.add(near);
    near.once('close', () => open.delete(near));
    if (sockets !== 'nothing') near.end(sockets);
  }

  const cut = () => open.forEach((socket) => socket.resetAndDestroy());

  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');

  return {
    url: `http://127.0.0.1:${listener.address().port}`,
    /** Number of accepted connections. */
    get accepted() {
      return accepted;
    },
    /** Number of refused connections and handshakes. */
    get refused() {
      return refused;
    },
    /** Number of responses that were lost. */
    get lost() {
      return lost;
    },
    /** Resets the connection of the next response to a request instead of forwarding it. */
    loseResponse() {
      losesResponse = true;
    },
    /** Resets all open connections. */
    cut,
    /** Refuses new connections. */
    refuse() {
      refusing = true;
    },
    /** Accepts new connections again. */
    accept() {
      refusing = false;
      sockets = null;
    },
    /** Responds to WebSocket handshakes, by default to all, with this response, or never if it is `'nothing'`. */
    refuseSockets(response, count = Infinity) {
      sockets = response;
      socketsToRefuse = count;
    },
    /** Stops forwarding bytes on open and new connections, without closing them. */
    stall() {
      stalled = true;
      for (const socket of open) {
        socket.unpipe();
        socket.pause();
      }
    },
    /** Resets stalled connections, and forwards new ones again. */
    resume() {
      stalled = false;
      open.forEach((socket) => socket.resetAndDestroy());
    },
    close: closing(async () => {
      listener.close();
      cut();
      await once(listener, 'close');
    }),
  };
}
