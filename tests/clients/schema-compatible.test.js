// The schema against that of version 0.1.0: whatever worked then works now.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import * as graphql from 'graphql';

const read = async (path) => graphql.buildSchema(await readFile(new URL(path, import.meta.url), 'utf8'));

/** Changes that a client of the old schema cannot notice, unless it lists all implementations of an interface. */
const ALLOWED = [
  graphql.DangerousChangeType.OPTIONAL_ARG_ADDED,
  graphql.DangerousChangeType.OPTIONAL_INPUT_FIELD_ADDED,
];

/** The events that became events of the room as well. */
const EVENTS = ['MessageSent', 'MessageEdited', 'MessageDeleted'];

test('nothing that worked with the schema of 0.1.0 breaks', async () => {
  const [before, now] = [await read('schema-0.1.0.graphql'), await read('../../schema.graphql')];
  assert.deepEqual(graphql.findBreakingChanges(before, now), []);
  // The comparison is not empty: the other way around, fields are missing.
  assert.ok(graphql.findBreakingChanges(now, before).length > 10);
});

test('dangerous changes since 0.1.0 are only optional arguments and input fields, and an interface on three events', async () => {
  const [before, now] = [await read('schema-0.1.0.graphql'), await read('../../schema.graphql')];
  const others = graphql.findDangerousChanges(before, now).filter(({ type }) => !ALLOWED.includes(type));
  const { IMPLEMENTED_INTERFACE_ADDED: type } = graphql.DangerousChangeType;
  const expected = EVENTS.map((name) => ({ type, description: `RoomEvent added to interfaces implemented by ${name}.` }));
  const byText = (a, b) => a.description.localeCompare(b.description);
  assert.deepEqual(others.toSorted(byText), expected.toSorted(byText));
});
