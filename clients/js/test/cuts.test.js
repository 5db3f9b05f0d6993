// A thousand lost connections: no event is missed or repeated, and no message is sent twice.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { openProxy } from '../../../tests/clients/support/proxy.js';
import { startServer } from '../../../tests/clients/support/server.js';
import { until } from '../../../tests/clients/support/until.js';
import { openClient, record, TRANSPORTS } from './support/client.js';

const CUTS = 500;
const MESSAGES_PER_CUT = 1;

let server;

before(async () => (server = await startServer()));
after(() => server?.stop());

describe('lost connections', { concurrency: true }, () => {
  for (const [transport, WebSocket] of Object.entries(TRANSPORTS)) {
    test(`over ${transport}, ${CUTS} cuts lose and repeat nothing`, async (t) => {
      const proxy = await openProxy(server.url);
      t.after(() => proxy.close());
      const chat = openClient(t, proxy.url, { WebSocket, timing: { minRetry: 1, maxRetry: 4 } });
      const other = openClient(t, server.url, { WebSocket });
      const key = await other.createRoom();
      const [room, witness] = [await chat.join(key), await other.join(key)];
      const [reader, truth] = [record(room), record(witness)];
      const sends = [];
      let cuts = 0;
      const connection = async (wanted) => {
        while (room.state.connection !== wanted) await once(room, 'change');
      };
      await connection('live');
      for (let number = 0; number < CUTS * MESSAGES_PER_CUT; number += 1) {
        // The room sends and reads through the cuts, while others write, too.
        sends.push(room.send(`mine ${number}`));
        if (number % 5 === 0) sends.push(witness.send(`other ${number}`));
        if (number % MESSAGES_PER_CUT === 0) {
          await sleep(5 * Math.random());
          proxy.cut();
          cuts += 1;
          await connection('lost');
          await connection('live');
        }
      }
      await Promise.all(sends);
      await until(() => truth.events.length >= sends.length && reader.events.length >= truth.events.length);
      assert.equal(cuts, CUTS);
      assert.deepEqual(reader.events.map(({ cursor }) => cursor), truth.events.map(({ cursor }) => cursor));
      assert.equal(new Set(reader.texts()).size, sends.length);
      assert.equal(reader.events.length, sends.length);
      const mine = reader.texts().filter((text) => text.startsWith('mine'));
      assert.deepEqual(mine, Array.from({ length: CUTS * MESSAGES_PER_CUT }, (_, number) => `mine ${number}`));
    });
  }
});
