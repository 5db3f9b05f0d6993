// The line between a client and its server, which a test can cut.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Opens a line to the server at `url`. */
export async function openProxy(url) {
  const { hostname, port } = new URL(url);
  const open = new Set();
  let refusing = false;
  let lines = 0;
  let refused = 0;

  const listener = createServer((near) => {
    near.on('error', () => {});
    if (refusing) {
      refused += 1;
      near.resetAndDestroy();
      return;
    }
    lines += 1;
    const far = connect({ host: hostname, port });
    far.on('error', () => {});
    for (const [one, other] of [[near, far], [far, near]]) {
      open.add(one);
      one.pipe(other);
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
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
    },
    async close() {
      listener.close();
      this.cut();
      await once(listener, 'close');
    },
  };
}
