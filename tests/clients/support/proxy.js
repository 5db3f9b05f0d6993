// The line between a client and its server, which a test can cut.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Opens a line to the server at `url`. */
export async function openProxy(url) {
  const { hostname, port } = new URL(url);
  const open = new Set();
  let refusing = false;
  let stalled = false;
  let sockets = null;
  let lines = 0;
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
    if (sockets === null) letThrough(near);
    else near.once('data', (head) => (isHandshake(head) ? refuseSocket(near) : letThrough(near, head)));
  });

  /** Connects a client with the server, which gets first what the client has said already. */
  function letThrough(near, head = '') {
    lines += 1;
    const far = connect({ host: hostname, port });
    far.on('error', () => {});
    far.write(head);
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

  /** Answers a handshake as it was chosen, or leaves it without an answer. */
  function refuseSocket(near) {
    refused += 1;
    open.add(near);
    near.once('close', () => open.delete(near));
    if (sockets !== 'nothing') near.end(sockets);
  }

  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');

  return {
    url: `http://127.0.0.1:${listener.address().port}`,
    /** How many times somebody came and was let through. */
    get lines() {
      return lines;
    },
    /** How many times somebody came in vain. */
    get refused() {
      return refused;
    },
    /** Cuts every connection there is, without a word of farewell. */
    cut() {
      open.forEach((socket) => socket.resetAndDestroy());
    },
    /** Lets nobody through from now on. */
    refuse() {
      refusing = true;
    },
    /** Lets everybody through again. */
    accept() {
      refusing = false;
      sockets = null;
    },
    /** Answers every handshake of a WebSocket from now on with this response, or with `'nothing'`. */
    refuseSockets(response) {
      sockets = response;
    },
    /** Lets no more bytes through, in either direction, over connections old and new, which stay as they are. */
    stall() {
      stalled = true;
      for (const socket of open) {
        socket.unpipe();
        socket.pause();
      }
    },
    /** Ends what was stalled, and lets everybody through again who comes anew. */
    resume() {
      stalled = false;
      open.forEach((socket) => socket.resetAndDestroy());
    },
    async close() {
      listener.close();
      this.cut();
      await once(listener, 'close');
    },
  };
}
