// Runs scenarios in processes of Node.js. Such a process has no tabs, so it joins a room more than once instead.

import { fork } from 'node:child_process';
import { once } from 'node:events';

import { TRANSPORTS } from './client.js';

export const nodeDriver = (transport) => ({
  name: `Node.js over ${transport}`,
  hasStreams: TRANSPORTS[transport] === null,
  async open() {},
  async close() {},
  async openDevice() {
    const child = fork(new URL('node_process.js', import.meta.url), [transport]);
    const exited = once(child, 'exit');
    const waiting = new Map();
    child.on('message', ({ id, json }) => {
      waiting.get(id)?.resolve(json);
      waiting.delete(id);
    });
    exited.then(() => waiting.forEach(({ reject }) => reject(new Error('the process has ended'))));
    let lastId = 0;
    let client;
    const execute = (command, values) => {
      // One client, however often it is opened.
      if (command === 'connect') return (client ??= call(command, values));
      return call(command, values);
    };
    const call = (command, values) =>
      new Promise((resolve, reject) => {
        const id = (lastId += 1);
        waiting.set(id, { resolve, reject });
        child.send({ id, command, values });
      });
    return {
      pid: child.pid,
      openClient: async () => ({ execute }),
      async close() {
        child.kill('SIGKILL');
        await exited;
      },
    };
  },
});
