// The scenarios in Node.js.

import { runScenarios } from './scenarios.js';
import { TRANSPORTS } from './support/client.js';
import { nodeDriver } from './support/node_driver.js';

for (const transport of Object.keys(TRANSPORTS)) runScenarios(nodeDriver(transport));
