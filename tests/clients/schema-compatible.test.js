// The schema against that of the last release: whatever worked then works now, and changes that may surprise a client are named in
// the changelog, below the version in work.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';

import * as graphql from 'graphql';

const read = (path) => readFile(new URL(path, import.meta.url), 'utf8');
const releases = await readdir(new URL('../releases/', import.meta.url));
const last = releases.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
const [before, now] = [await read(`../releases/${last}/schema.graphql`), await read('../../schema.graphql')];
const inWork = (await read('../../CHANGELOG.md')).split(/^## /m)[1];

/** What a release must not contain: breaking changes, and dangerous ones that the changelog does not name. */
function problems(before, now, changelog) {
  const schemas = [graphql.buildSchema(before), graphql.buildSchema(now)];
  const described = (changes) => changes.map(({ description }) => description);
  const words = changelog.replace(/\s+/g, ' ');
  return [
    ...described(graphql.findBreakingChanges(...schemas)).map((change) => `breaks clients: ${change}`),
    ...described(graphql.findDangerousChanges(...schemas))
      .filter((change) => !words.includes(change))
      .map((change) => `is not in the changelog: ${change}`),
  ];
}

test(`nothing that worked with the schema of ${last} breaks, and the changelog names what may surprise`, () => {
  assert.deepEqual(problems(before, now, inWork), []);
});

test('a breaking change, and a dangerous one that is not named, fail', () => {
  const change = (from, to) => {
    assert.ok(now.includes(from), from);
    return now.replace(from, to);
  };
  const renamed = change('\tviewerCount: Int!', '\tviewers: Int!');
  assert.deepEqual(problems(now, renamed, ''), ['breaks clients: ActiveRoom.viewerCount was removed.']);
  const nullable = change('\tviewerCount: Int!', '\tviewerCount: Int');
  assert.match(problems(now, nullable, '')[0], /^breaks clients: ActiveRoom.viewerCount changed type/);

  const dangerous = change('input SendMessageInput {', 'input SendMessageInput {\n\tmood: String');
  const description = 'An optional field mood on input type SendMessageInput was added.';
  assert.deepEqual(problems(now, dangerous, ''), [`is not in the changelog: ${description}`]);
  assert.deepEqual(problems(now, dangerous, `- ${description.replace('on input', 'on\n  input')}`), []);
  // An addition that no client notices needs no mention.
  assert.deepEqual(problems(now, change('\tviewerCount: Int!', '\tviewerCount: Int!\n\tmood: String'), ''), []);
});
