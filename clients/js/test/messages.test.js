// The messages of a room as a client knows them, from events and from responses.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Messages } from '../src/messages.js';

const message = (count, editedAt, text) => ({
  id: 'm', index: 0, author: { id: 'a' }, createdAt: '2026-01-01T00:00:00.000Z', editedAt, deletedAt: null, text, reactions: [{ emoji: '👍', count }],
});
const page = (...nodes) => ({ nodes, pageInfo: { hasPreviousPage: false, startCursor: 'c' } });

test('the counts of an event stay when an older response arrives after it, and the newer text of either is kept', () => {
  const messages = new Messages();
  const shown = () => [messages.find('m').text, messages.find('m').reactions[0].count];
  messages.reset(page(message(1, null, 'old')));
  messages.put(message(3, null, 'old'), true);
  messages.put(message(2, '2026-01-01T00:00:01.000Z', 'edited'));
  assert.deepEqual(shown(), ['edited', 3]);
  messages.put(message(4, null, 'old'), true);
  assert.deepEqual(shown(), ['edited', 4]);
  messages.addEarlier(page(message(1, null, 'old')));
  assert.deepEqual(shown(), ['edited', 4]);
});

test('messages are listed in the order of the room, however they arrive, and none before the first known one', () => {
  const messages = new Messages();
  const numbered = (index) => ({ ...message(1, null, String(index)), id: String(index), index });
  messages.reset(page(numbered(4), numbered(5)));
  for (const index of [8, 7, 2, 6]) messages.put(numbered(index), true);
  assert.deepEqual(messages.list().map(({ index }) => index), [4, 5, 6, 7, 8]);
  messages.addEarlier(page(numbered(2), numbered(3)));
  assert.deepEqual(messages.list().map(({ index }) => index), [2, 3, 4, 5, 6, 7, 8]);
});
