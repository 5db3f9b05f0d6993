// The calculator of docs/scaling.md computes what the page says, from the figures on the page.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { calculate, readFigures } from '../../docs/site/calculator.js';

const page = await readFile(new URL('../../docs/scaling.md', import.meta.url), 'utf8');
const rows = page.split('\n').filter((line) => line.startsWith('| ')).map((line) => line.split('|').slice(1, -1).map((cell) => cell.trim()));
const figures = readFigures(rows);
const million = { sockets: 1e6, rooms: 10_000, messages: 10_000, characters: 50, hours: 24, reconnect: 60 };

/** The number at the beginning of the last cell of the row that starts with these words. */
const stated = (start) => Number.parseFloat(rows.find(([cell]) => cell.startsWith(start)).at(-1));

test('the calculator agrees with the example of a million sockets', () => {
  const spread = calculate({ ...million, spread: true }, figures);
  const together = calculate({ ...million, spread: false }, figures);
  const rounded = (value) => Math.round(value * 10) / 10;
  assert.equal(rounded(spread.memoryGib), stated('memory of all nodes'));
  assert.equal(rounded(spread.idleCores), stated('idle'));
  assert.equal(rounded(spread.deliveryCores), stated('deliveries, readers of a room on several nodes'));
  assert.ok(Math.abs(spread.reconnectCores - stated('all sockets reconnect')) < 0.1);
  assert.deepEqual([spread.servers, spread.cores], [10, stated('nodes')]);
  assert.equal(rounded(spread.redisCores), stated('Redis, readers of a room on all ten nodes'));
  assert.equal(rounded(together.redisCores), stated('Redis, readers of a room on one node'));
  assert.deepEqual([together.shards, spread.shards], [1, 3]);
});

test('a small chat needs one server and one Redis', () => {
  const small = calculate({ sockets: 500, rooms: 100, messages: 5, characters: 100, hours: 24, reconnect: 30, spread: true }, figures);
  assert.deepEqual([small.servers, small.shards, small.deliveries], [1, 1, 25]);
  assert.ok(small.redisGib < 0.2 && small.deliveryCores < 0.01);
  assert.ok(figures.roomBytes > 1_000, 'figures with a comma are read whole');
});

test('a row that is renamed is missed', () => {
  assert.throws(() => readFigures(rows.slice(5)), /there is no figure/);
});

test('the formulas on the page have the same figures', () => {
  const [section] = page.split('## Calculate your own')[1].split('\n## ');
  for (const [name, figure] of Object.entries(figures)) {
    assert.ok(section.includes(figure.toLocaleString('en')), `${name}: ${figure}`);
  }
});
