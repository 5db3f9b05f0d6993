// Compares the coercion of input with graphql-js, for every kind of literal and variable value: the server rejects what graphql-js
// rejects, and coerces everything else to the same value.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { buildSchema, graphql } from 'graphql';

import { startServer } from './support/server.js';

/** Number of rooms, which is more than a page has by default. */
const ROOMS = 53;

/** Fields of a response that show the coerced input. */
const SENT = '{ message { text clientMessageId } author { displayName } }';

/** graphql-js over the same schema. Its resolvers return their input. */
const resolvers = {
  activeRooms: ({ first }) => ({ nodes: Array.from({ length: Math.min(first, ROOMS) }, () => ({ id: 'room' })), totalCount: ROOMS }),
  sendMessage: ({ input }) => ({
    message: { text: input.text, clientMessageId: input.clientMessageId ?? null },
    author: { displayName: input.displayName ?? 'Anon#00000' },
  }),
};

let server;
let schema;
let room;

before(async () => {
  schema = buildSchema(await readFile(new URL('../../schema.graphql', import.meta.url), 'utf8'));
  server = await startServer();
  for (let i = 0; i < ROOMS; i++) {
    const { data } = await server.graphql('mutation { createRoom { room { id code } } }');
    room = data.createRoom.room;
  }
});

after(() => server?.stop());

/** Sends a request to graphql-js and to the server, and fails if their results differ. */
async function compare(query, variables) {
  const source = query.replaceAll('ROOM', `roomId: "${room.id}", roomCode: "${room.code}"`);
  const variableValues = variables && JSON.parse(JSON.stringify(variables).replaceAll('"ROOM":0', `"roomId":"${room.id}","roomCode":"${room.code}"`));
  const expected = await graphql({ schema, source, rootValue: resolvers, variableValues });
  const answer = await server.graphql(source, variableValues);
  const shown = JSON.stringify({ query, variables, expected, answer });
  const codes = (answer.errors ?? []).map(({ extensions }) => extensions?.code);
  if (expected.errors) {
    assert.ok(codes.length > 0 && codes.every((code) => code.startsWith('GRAPHQL_')), `taken, but not by graphql-js: ${shown}`);
    return 'refused';
  }
  assert.ok(!codes.some((code) => code.startsWith('GRAPHQL_')), `refused, but not by graphql-js: ${shown}`);
  // The rules of the chat are checked after coercion, such as for an empty text or a page of a million.
  if (codes.length > 0) return 'taken';
  assert.deepEqual(observed(answer.data), observed(JSON.parse(JSON.stringify(expected.data))), shown);
  return 'same';
}

/** The part of a response that depends on the input. */
function observed(data) {
  return Object.fromEntries(
    Object.entries(data).map(([key, value]) => {
      if (value?.nodes) return [key, value.nodes.length];
      if (value?.message) {
        // The server invents a name if there is none.
        const { displayName } = value.author;
        return [key, { ...value.message, displayName: /^Anon#\d{5}$/.test(displayName) ? null : displayName }];
      }
      return [key, value];
    }),
  );
}

async function compareAll(cases) {
  const results = { refused: 0, taken: 0, same: 0 };
  for (const [query, variables] of cases) results[await compare(query, variables)]++;
  return results;
}

const STRINGS = [
  '""', '"plain"', '"ü 😀 \u200b"', '"tab\there"', String.raw`"\"\\\/\b\f\n\r\t"`, String.raw`"a\nb\tc"`, String.raw`"\u00fc\u00FC"`,
  String.raw`"\u0041"`, String.raw`"\ud83d\ude00"`, String.raw`"\uD83D\uDE00x"`, String.raw`"\u{1F600}"`, String.raw`"\u{41}"`,
  String.raw`"\u{0}"`, String.raw`"\u{000041}"`, String.raw`"\u{00000041}"`, String.raw`"\u{000000041}"`, String.raw`"\u{10FFFF}"`,
  String.raw`"\u{110000}"`, String.raw`"\u{FFFFFFFF}"`, String.raw`"\u{}"`, String.raw`"\u{d800}"`, String.raw`"\u{41"`, String.raw`"\u{4g}"`,
  String.raw`"\u{+41}"`, String.raw`"\ud83d"`, String.raw`"\ude00"`, String.raw`"\ud83d\u0041"`, String.raw`"\ud83d\u{de00}"`,
  String.raw`"\ude00\ud83d"`, String.raw`"\ud83d\ud83d\ude00"`, String.raw`"\u12"`, String.raw`"\u+123"`, String.raw`"\uü000"`, String.raw`"\x41"`,
  String.raw`"\'"`, String.raw`"\0"`, String.raw`"\U0041"`, String.raw`"\ "`, '"open', '"line\nend"', '"line\rend"', "'single'", '"a" "b"', '"a""b"',
  '"""block"""', '""""""', '"""\n  one\n    two\n\n  three\n"""', '"""one\n  two\n   three"""', '"""\r\n  one\r  two\n"""',
  '"""\n\t one\n\t\ttwo\n"""', '"""\n    \n  a\n \n"""', '"""  a"""', '"""a  """', String.raw`"""\u0041 \n \d"""`, String.raw`"""quoted \""" inside"""`,
  String.raw`"""
     indented \"""
       more
  """`, '"""a" "b"""', '"""a\\"""', '"""open', '"""\n\n\n"""', '"""😀\n  ü\n"""', '""""a"""', '"""a""""', '# comment\n"x"', '"x" # comment\n',
  '\ufeff"x"', 'word', 'true', 'null', '5', '5.0', '["x"]', '[]', '{}', '{ a: "x" }', '$', '$missing', '', '-', '"x" : "y"', '"\u0007"', '"\u0000"', '"\u2028"',
];

const NUMBERS = [
  '0', '1', '-1', '50', '53', '+1', '007', '00', '-0', '-01', '1.0', '1.', '.5', '1e1', '1E2', '1e+1', '1e', '1.e1', '1.5', '0x10', '1_000', '1a', '1.2.3', '--1',
  '2147483647', '2147483648', '-2147483648', '-2147483649', '9007199254740993', '9223372036854775808', '123456789012345678901234567890', '1e999',
];

const OTHERS = ['true', 'false', 'null', 'TRUE', 'word', '"5"', '"true"', '[1]', '[[1]]', '[]', '{}', '{ a: 1 }', '{ a: 1, a: 2 }', '""'];

test('string literals', async () => {
  const cases = STRINGS.flatMap((literal) => [
    [`mutation { sendMessage(input: { ROOM, text: ${literal} }) ${SENT} }`],
    [`mutation { sendMessage(input: { ROOM, text: "x", displayName: ${literal} }) ${SENT} }`],
    [`mutation { sendMessage(input: { ROOM, text: "x", clientMessageId: ${literal} }) ${SENT} }`],
    [`mutation($text: String! = ${literal}) { sendMessage(input: { ROOM, text: $text }) ${SENT} }`],
  ]);
  const { refused, same } = await compareAll(cases);
  assert.ok(refused > 80 && same > 60, `${refused} refused, ${same} the same`);
});

test('literals of every kind for an Int, an ID, a String and a Boolean', async () => {
  const cases = [...NUMBERS, ...OTHERS].flatMap((literal) => [
    [`{ activeRooms(first: ${literal}) { nodes { id } } }`],
    [`query($n: Int = ${literal}) { activeRooms(first: $n) { nodes { id } } }`],
    [`query($n: Int! = ${literal}) { activeRooms(first: $n) { nodes { id } } }`],
    [`mutation { sendMessage(input: { ROOM, text: "x", clientMessageId: ${literal} }) ${SENT} }`],
    [`mutation($id: ID = ${literal}) { sendMessage(input: { ROOM, text: "x", clientMessageId: $id }) ${SENT} }`],
    [`mutation { sendMessage(input: { ROOM, text: "x", displayName: ${literal} }) ${SENT} }`],
    [`mutation { sendMessage(input: ${literal}) ${SENT} }`],
    [`{ activeRooms { totalCount @include(if: ${literal}) nodes { id } } }`],
    [`query($if: Boolean! = ${literal}) { activeRooms { totalCount @skip(if: $if) nodes { id } } }`],
  ]);
  const { refused, same } = await compareAll(cases);
  assert.ok(refused > 200 && same > 30, `${refused} refused, ${same} the same`);
});

const VALUES = [
  0, 1, -1, 3, 3.0, 3.5, 1e2, 2147483647, 2147483648, -2147483648, -2147483649, 1e15, 9007199254740991, 1e20, 1e21, 1e300, -1.5e300, true, false, null, '', '3', 'x', 'true',
  '😀', [], [1], [[1]], ['x'], [null], {}, { a: 1 },
];

test('variable values of every type', async () => {
  const cases = VALUES.flatMap((value) => [
    ...['Int', 'Int!', 'Int = 7', 'Int! = 7', 'String', 'ID', '[Int]'].map((type) => [
      `query($v: ${type}) { activeRooms(first: $v) { nodes { id } } }`,
      { v: value },
    ]),
    ...['ID', 'ID!', 'ID = "y"', 'String', 'Int'].map((type) => [
      `mutation($v: ${type}) { sendMessage(input: { ROOM, text: "x", clientMessageId: $v }) ${SENT} }`,
      { v: value },
    ]),
    ...['String', 'String!', 'String = "y"', 'ID'].map((type) => [
      `mutation($v: ${type}) { sendMessage(input: { ROOM, text: "x", displayName: $v }) ${SENT} }`,
      { v: value },
    ]),
    ...['Boolean', 'Boolean!', 'Boolean = true', 'Boolean! = false', 'String!'].map((type) => [
      `query($v: ${type}) { activeRooms { totalCount @include(if: $v) nodes { id } } }`,
      { v: value },
    ]),
    ...['text', 'clientMessageId', 'displayName', 'token', 'unknown'].map((field) => [
      `mutation($v: SendMessageInput!) { sendMessage(input: $v) ${SENT} }`,
      { v: { ROOM: 0, text: 'x', [field]: value } },
    ]),
    [`mutation($v: SendMessageInput!) { sendMessage(input: $v) ${SENT} }`, { v: value }],
    [`mutation($v: SendMessageInput) { sendMessage(input: $v) ${SENT} }`, { v: value }],
  ]);
  const { refused, same } = await compareAll(cases);
  assert.ok(refused > 400 && same > 60, `${refused} refused, ${same} the same`);
});

test('variables without a value', async () => {
  const page = '{ nodes { id } }';
  const cases = [undefined, {}, { undeclared: 1 }].flatMap((variables) => [
    [`query($n: Int) { activeRooms(first: $n) ${page} }`, variables],
    [`query($n: Int!) { activeRooms(first: $n) ${page} }`, variables],
    [`query($n: Int = 5) { activeRooms(first: $n) ${page} }`, variables],
    [`query($n: Int! = 5) { activeRooms(first: $n) ${page} }`, variables],
    [`query($n: Int = null) { activeRooms(first: $n) ${page} }`, variables],
    [`query($n: Int! = null) { activeRooms(first: $n) ${page} }`, variables],
    [`query($n: Int, $after: String) { a: activeRooms(first: $n) ${page} b: activeRooms(first: $n, after: $after) ${page} }`, variables],
    [`query($n: Int) { ...F } fragment F on Query { ... { activeRooms(first: $n) ${page} } }`, variables],
    [`query($n: Int, $unused: Int) { activeRooms(first: $n) ${page} }`, variables],
    [`query($n: String) { activeRooms(first: $n) ${page} }`, variables],
    [`query { activeRooms(first: $undefined) ${page} }`, variables],
    [`query($n: Nothing) { activeRooms(first: $n) ${page} }`, variables],
    [`query($if: Boolean) { activeRooms { totalCount @include(if: $if) nodes { id } } }`, variables],
    [`query($if: Boolean = true) { activeRooms { totalCount @skip(if: $if) nodes { id } } }`, variables],
    [`query($if: Boolean = true) { ... @include(if: $if) { activeRooms ${page} } }`, variables],
    [`mutation($name: String) { sendMessage(input: { ROOM, text: "x", displayName: $name }) ${SENT} }`, variables],
    [`mutation($name: String = "y") { sendMessage(input: { ROOM, text: "x", displayName: $name }) ${SENT} }`, variables],
    [`mutation($text: String) { sendMessage(input: { ROOM, text: $text }) ${SENT} }`, variables],
    [`mutation($text: String!) { sendMessage(input: { ROOM, text: $text }) ${SENT} }`, variables],
    [`mutation($text: String = "y") { sendMessage(input: { ROOM, text: $text }) ${SENT} }`, variables],
    [`mutation($text: String! = "y") { sendMessage(input: { ROOM, text: $text, unknown: 1 }) ${SENT} }`, variables],
    [`mutation($text: String! = "y") { sendMessage(input: { ROOM, text: $text, displayName: 5 }) ${SENT} }`, variables],
    [`mutation($text: String! = "y") { sendMessage(input: { roomId: "x", text: $text }) ${SENT} }`, variables],
    [`mutation($input: SendMessageInput!) { sendMessage(input: $input) ${SENT} }`, variables],
    [`mutation($input: SendMessageInput) { sendMessage(input: $input) ${SENT} }`, variables],
    [`mutation($input: SendMessageInput = { ROOM, text: "y", clientMessageId: 5 }) { sendMessage(input: $input) ${SENT} }`, variables],
    [`mutation($input: SendMessageInput! = { ROOM, text: "y", displayName: 5 }) { sendMessage(input: $input) ${SENT} }`, variables],
  ]);
  const { refused, same } = await compareAll(cases);
  assert.ok(refused > 30 && same > 30, `${refused} refused, ${same} the same`);
});

test('documents in every form', async () => {
  const rooms = 'activeRooms { totalCount }';
  const cases = [
    '', ' ', '{', '{}', `{ ${rooms} }`, `query { ${rooms} }`, `query Q { ${rooms} }`, `query Q() { ${rooms} }`, `query ($n: [ Int! ] !) { ${rooms} }`,
    `queryQ { ${rooms} }`, `{ ${rooms} } { ${rooms} }`, `{ ${rooms} } query Q { ${rooms} }`, `{ a: ${rooms} ,,, b: ${rooms} }`, `\ufeff{ ${rooms} }`, `# c\n{ ${rooms} # {\n }`,
    '{ activeRooms() { totalCount } }', '{ activeRooms(first: 1 first: 2) { totalCount } }', '{ activeRooms(first: 1,) { totalCount } }', '{ activeRooms { } }', '{ activeRooms }',
    `{ ...F } fragment F on Query { ${rooms} }`, `{ ...on Query { ${rooms} } }`, `{ ... on Query { ${rooms} } }`, `{ ...on }`, `{ ...on\n#c\nQuery { ${rooms} } }`,
    `{ ...{ ${rooms} } }`, `{ ...@include(if: true) { ${rooms} } }`, `fragment on on Query { ${rooms} } { ${rooms} }`, `{ ...F } fragment F { ${rooms} }`,
    `{ ${rooms} } fragment F on Query { ${rooms} }`, `{ ...F } fragment F on Nothing { ${rooms} }`, '{ ...Missing }', '{ __typename }', '{ on: __typename }', '{ a b }',
    `query($n: Int = 1 @skip(if: true)) { activeRooms(first: $n) { totalCount } }`, `query @skip(if: true) { ${rooms} }`, `{ activeRooms @unknown { totalCount } }`,
    `{ activeRooms @include { totalCount } }`, `{ activeRooms @include(if: true) @include(if: true) { totalCount } }`, `type T { a: Int } { ${rooms} }`, `{ ${rooms} } ?`, `{ ${rooms} } é`,
  ].map((query) => [query]);
  const { refused, same } = await compareAll(cases);
  assert.ok(refused > 20 && same > 10, `${refused} refused, ${same} the same`);
});
