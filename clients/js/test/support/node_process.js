// A process of Node.js that executes commands of program.js.

import { TRANSPORTS } from './client.js';
import { execute } from './program.js';

const WebSocket = TRANSPORTS[process.argv[2]];

process.on('message', async ({ id, command, values }) => {
  process.send({ id, json: await execute(command, values, { WebSocket }) });
});
