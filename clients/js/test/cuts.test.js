// Lost connections, hundreds of them, at random moments: no event is missed or repeated, and no message is sent twice.
// `npm run cuts` makes 1,000 per transport.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { openProxy } from '../../../tests/clients/support/proxy.js';
import { startServer } from '../../../tests/clients/support/server.js';
import { until } from '../../../tests/clients/support/until.js';
import { openClient, record, TRANSPORTS } from './support/client.js';

const CUTS = Number(process.env.CUTS ?? 40);

let server;

before(async () => (server = await startServer()));
after(() => server?.stop());

/** A fetch that counts the requests that got no response. */
function countingFetch() {
  const counting = async (...request) => {
    try {
      return await fetch(...request);
    } catch (error) {
      counting.failed += 1;
      throw error;
    }
  };
  counting.failed = 0;
  return counting;
}

describe('lost connections', { concurrency: true }, () => {
  for (const [transport, WebSocket] of Object.entries(TRANSPORTS)) {
    test(`over ${transport}, ${CUTS} cuts lose and repeat nothing`, async (t) => {
      const proxy = await openProxy(server.url);
      t.after(() => proxy.close());
      const counting = countingFetch();
      const chat = openClient(t, proxy.url, { WebSocket, fetch: counting, timing: { minRetry: 1, maxRetry: 4 } });
      const other = openClient(t, server.url, { WebSocket });
      const key = await other.createRoom();
      const [room, witness] = [await chat.join(key), await other.join(key)];
      const [reader, truth] = [record(room), record(witness)];
      const sends = [];
      let losses = 0;
      room.addEventListener('change', () => room.state.connection === 'lost' && wasLive && (losses += 1));
      let wasLive = false;
      room.addEventListener('change', () => (wasLive = room.state.connection === 'live'));
      const connection = async (wanted) => {
        while (room.state.connection !== wanted) await once(room, 'change');
      };
      await connection('live');
      for (let number = 0; number < CUTS; number += 1) {
        // The room sends and reads through the cuts, while others write, too.
        sends.push(room.send(`mine ${number}`));
        if (number % 5 === 0) sends.push(witness.send(`other ${number}`));
        // In every third round, the server has stored the message when its response is lost.
        if (number % 3 === 0) {
          const { lost } = proxy;
          proxy.loseResponse();
          await until(() => proxy.lost > lost);
        }
        await sleep(5 * Math.random());
        proxy.cut();
        await connection('lost');
        await connection('live');
      }
      await Promise.all(sends);
      await until(() => truth.events.length >= sends.length && reader.events.length >= truth.events.length);
      t.diagnostic(`${losses} lost connections, ${counting.failed} requests without a response, ${proxy.lost} of them after the server had responded`);
      assert.equal(losses, CUTS);
      assert.equal(proxy.lost, Math.ceil(CUTS / 3), 'lost responses');
      assert.deepEqual(reader.events.map(({ cursor }) => cursor), truth.events.map(({ cursor }) => cursor));
      assert.equal(reader.events.length, sends.length);
      assert.equal(new Set(reader.texts()).size, sends.length);
      const mine = reader.texts().filter((text) => text.startsWith('mine'));
      assert.deepEqual(mine, Array.from({ length: CUTS }, (_, number) => `mine ${number}`));
    });
  }
});
