// The quality of the schema: everything has a description, the recommended rules of graphql-eslint hold, and the types that GraphQL
// Code Generator makes from it compile.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { codegen } from '@graphql-codegen/core';
import * as typescript from '@graphql-codegen/typescript';
import * as typescriptOperations from '@graphql-codegen/typescript-operations';
import graphqlEslint from '@graphql-eslint/eslint-plugin';
import { Linter } from 'eslint';
import * as graphql from 'graphql';

const SCHEMA = fileURLToPath(new URL('../../schema.graphql', import.meta.url));
const TSC = fileURLToPath(new URL('node_modules/typescript/bin/tsc', import.meta.url));

/** Recommended rules that do not fit the whole schema, with the exceptions and their reasons. */
const EXCEPTIONS = {
  '@graphql-eslint/strict-id-in-types': {
    exceptions: {
      // Pages, their items and results of mutations are parts of a response, not objects with an identity.
      suffixes: ['Connection', 'Edge', 'PageInfo', 'Payload'],
      types: [
        // An event is identified by its cursor, which is a position and not an id.
        ...['MessageSent', 'MessageEdited', 'MessageDeleted', 'ReactionsChanged'],
        ...['RoomUpdated', 'UserBanned', 'UserUnbanned', 'RoomEnded'],
        // Parts of a room or a message: there is one for a room, a banned user or an emoji.
        ...['RoomSettings', 'Ban', 'ReactionCount'],
        // Updates about who is in a room, and their parts.
        ...['PresenceSnapshot', 'PresenceChanged', 'TypingChanged', 'PresenceUser'],
      ],
    },
  },
};

/** Operations for which types are generated. */
const OPERATIONS = `
  mutation Create($input: CreateRoomInput) {
    createRoom(input: $input) { ownerToken room { id code cursor expiresAt settings { title slowModeSeconds } } }
  }
  mutation Send($input: SendMessageInput!) {
    sendMessage(input: $input) { message { id index clientMessageId } author { id displayName } token cursor }
  }
  mutation Edit($input: EditMessageInput!) { editMessage(input: $input) { message { text editedAt } token } }
  query Room($id: ID!, $code: String!, $before: String) {
    room(id: $id, code: $code) {
      cursor viewerCount
      messages(last: 50, before: $before) { nodes { id text author { displayName } } pageInfo { hasPreviousPage startCursor } }
    }
  }
  subscription Events($roomId: ID!, $roomCode: String!, $after: String) {
    messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { __typename cursor at message { id text } }
  }
  subscription Everything($roomId: ID!, $roomCode: String!, $after: String) {
    roomEvents(roomId: $roomId, roomCode: $roomCode, after: $after) {
      __typename cursor
      ... on MessageEvent { message { id text reactions { emoji count } } }
      ... on UserBanned { ban { user { id } until } }
    }
  }
`;

/** A client with correct types, except in the lines that the compiler must reject. */
const CLIENT = `
  import type { EventsSubscription, EverythingSubscription, RoomQuery, SendMutation } from './operations.js';
  import type { SendMessageInput } from './types.js';

  export const input: SendMessageInput = { roomId: 'r', roomCode: 'c', text: 'Hello' };
  // @ts-expect-error The text is missing.
  export const textless: SendMessageInput = { roomId: 'r', roomCode: 'c' };

  export function token(answer: SendMutation): string {
    return answer.sendMessage.token;
  }

  export function until(event: EverythingSubscription['roomEvents']): string | null | undefined {
    return event.__typename === 'UserBanned' ? event.ban.until : null;
  }

  export function texts(answer: RoomQuery): string[] {
    // @ts-expect-error A room may be null.
    answer.room.cursor;
    return answer.room?.messages.nodes.map(({ text }) => text ?? 'deleted') ?? [];
  }

  export function describe(event: EventsSubscription['messageEvents']): string {
    switch (event.__typename) {
      case 'MessageSent':
      case 'MessageEdited':
        // @ts-expect-error The text of a message is null once it is deleted.
        return event.message.text;
      case 'MessageDeleted':
        return event.cursor;
    }
  }
`;

let sdl;
let schema;

before(async () => {
  sdl = await readFile(SCHEMA, 'utf8');
  schema = graphql.buildSchema(sdl);
});

test('every type, field, argument, input field and enum value of the schema has a description', () => {
  const described = [];
  const check = (name, { description }) => described.push({ name, description });
  for (const [name, type] of Object.entries(schema.getTypeMap())) {
    if (name.startsWith('__') || graphql.isSpecifiedScalarType(type)) continue;
    check(name, type);
    if (graphql.isEnumType(type)) type.getValues().forEach((value) => check(`${name}.${value.name}`, value));
    if (!graphql.isObjectType(type) && !graphql.isInterfaceType(type) && !graphql.isInputObjectType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      check(`${name}.${field.name}`, field);
      field.args?.forEach((argument) => check(`${name}.${field.name}(${argument.name})`, argument));
    }
  }
  assert.ok(described.length > 100, 'the schema was not parsed');
  assert.deepEqual(described.filter(({ description }) => !description?.trim()).map(({ name }) => name), []);
});

test('the schema follows the recommended rules of graphql-eslint, except for listed exceptions', () => {
  const recommended = graphqlEslint.configs['flat/schema-recommended'].rules;
  const excepted = Object.entries(EXCEPTIONS).map(([rule, options]) => [rule, ['error', options]]);
  const broken = lint({ ...recommended, ...Object.fromEntries(excepted) });
  assert.deepEqual(broken, []);
  // Without the exceptions, exactly these rules are broken.
  const rules = new Set(lint(recommended).map(({ ruleId }) => ruleId));
  assert.deepEqual([...rules], Object.keys(EXCEPTIONS));
});

function lint(rules) {
  const linter = new Linter({ cwd: fileURLToPath(new URL('../..', import.meta.url)) });
  const languageOptions = { parser: graphqlEslint.parser, parserOptions: { graphQLConfig: { schema: SCHEMA } } };
  const plugins = { '@graphql-eslint': graphqlEslint };
  const config = [{ files: ['**/*.graphql'], plugins, languageOptions, rules }];
  return linter.verify(sdl, config, { filename: SCHEMA }).map(({ ruleId, message, line }) => ({ ruleId, message, line }));
}

test("types generated by GraphQL Code Generator compile under TypeScript's strict mode", async () => {
  const documents = [{ location: 'operations.graphql', document: graphql.parse(OPERATIONS) }];
  const generate = (name, plugin) =>
    codegen({
      filename: `${name}.ts`,
      schema: graphql.parse(sdl),
      schemaAst: schema,
      documents,
      config: { scalars: { DateTime: 'string' } },
      plugins: [{ plugin: {} }],
      pluginMap: { plugin },
    });
  const directory = await mkdtemp(join(tmpdir(), 'livechat-types-'));
  try {
    await writeFile(join(directory, 'types.ts'), await generate('types', typescript));
    await writeFile(join(directory, 'operations.ts'), await generate('operations', typescriptOperations));
    await writeFile(join(directory, 'client.ts'), CLIENT);
    const compiler = [TSC, '--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022', '--lib', 'es2022'];
    const compiled = promisify(execFile)(process.execPath, [...compiler, 'client.ts'], { cwd: directory });
    await compiled.catch(({ stdout }) => assert.fail(stdout));
  } finally {
    await rm(directory, { recursive: true });
  }
});
