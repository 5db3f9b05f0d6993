// Trusted documents: lists that Relay's compiler, Apollo's tool and GraphQL Code Generator write from the sources in trusted/, and
// the requests that clients send with their output.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from '@apollo/client/core';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { createPersistedQueryManifestVerificationLink, generatePersistedQueryIdsFromManifest } from '@apollo/persisted-query-lists';
import { preset } from '@graphql-codegen/client-preset';
import { codegen } from '@graphql-codegen/core';
import { buildASTSchema, parse } from 'graphql';
import { createClient } from 'graphql-ws';
import relay from 'relay-runtime';
import ws from 'ws';

import { openBrowser } from './support/browser.js';
import { chatDocuments } from './support/chat_documents.js';
import { openChat } from './support/chat_page.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

const here = (path) => new URL(path, import.meta.url).pathname;
const SOURCES = ['read', 'create', 'send', 'follow', 'line'].map((name) => here(`trusted/${name}.graphql`));

/** The folder in which the tools run. Outside of the repository, because they write next to their input. */
let directory;
before(async () => (directory = await mkdtemp(join(tmpdir(), 'livechat-documents-'))));
after(() => rm(directory, { recursive: true }));

/** Runs `node` with a tool of a package in the folder. */
const run = (tool) => promisify(execFile)(process.execPath, [here(`node_modules/${tool}`)], { cwd: directory });

/** Writes the list of Relay's compiler; returns its path and the compiled requests by name. */
async function relayList() {
  await cp(here('trusted/relay.js'), join(directory, 'relay.js'));
  await symlink(here('../../schema.graphql'), join(directory, 'schema.graphql'));
  await writeFile(join(directory, 'package.json'), '{"type":"module"}');
  const [list, persistConfig] = [join(directory, 'relay.json'), { file: 'relay.json', algorithm: 'MD5' }];
  await writeFile(list, '{}');
  const config = { src: '.', schema: 'schema.graphql', language: 'javascript', eagerEsModules: true, persistConfig };
  await writeFile(join(directory, 'relay.config.json'), JSON.stringify(config));
  await run('relay-compiler/cli.js');
  const compiled = async (name) => (await import(join(directory, `__generated__/${name}.graphql.js`))).default;
  const names = ['relayReadQuery', 'relayCreateMutation', 'relaySendMutation', 'relayFollowSubscription'];
  return { list, requests: await Promise.all(names.map(compiled)) };
}

/** Writes the list of Apollo's tool. */
async function apolloList() {
  await Promise.all(SOURCES.map((path) => cp(path, join(directory, path.split('/').at(-1)))));
  const config = { documents: ['*.graphql'], output: 'apollo.json' };
  await writeFile(join(directory, 'persisted-query-manifest.config.json'), JSON.stringify(config));
  await run('@apollo/generate-persisted-query-manifest/cli.js');
  return join(directory, 'apollo.json');
}

/** Writes the list of GraphQL Code Generator; returns its path and the generated module. */
async function codegenList() {
  const schema = parse(await readFile(here('../../schema.graphql'), 'utf8'));
  const document = async (location) => {
    const rawSDL = await readFile(location, 'utf8');
    return { location, rawSDL, document: parse(rawSDL) };
  };
  const sections = await preset.buildGeneratesSection({
    baseOutputDir: `${directory}/`,
    presetConfig: { persistedDocuments: true },
    config: { documentMode: 'string' },
    schema,
    schemaAst: buildASTSchema(schema),
    documents: await Promise.all(SOURCES.map(document)),
    plugins: [],
    pluginMap: {},
    profiler: { run: (work) => work() },
  });
  const written = sections.filter(({ filename }) => /persisted-documents\.json$|graphql\.ts$/.test(filename));
  await Promise.all(written.map(async (section) => writeFile(section.filename, await codegen(section))));
  return { list: join(directory, 'persisted-documents.json'), module: await readFile(join(directory, 'graphql.ts'), 'utf8') };
}

/** A round of chat: `create` a room, `follow` it until an event, `send` and `read` a message. */
async function chat({ create, follow, send, read }) {
  const { room } = await create();
  const key = { id: room.id, code: room.code };
  let received;
  const { promise, leave } = follow(key);
  promise.then((data) => (received = data));
  // The subscription may open after the first messages.
  await until(async () => {
    await send({ input: { roomId: room.id, roomCode: room.code, text: 'hello' } });
    return received;
  });
  leave();
  assert.equal(received.messageEvents?.message.text, 'hello', JSON.stringify(received));
  assert.equal((await read(key)).room.messages.nodes[0].text, 'hello');
}

/** Sends JSON and returns the data of the response. */
async function post(server, body) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(`${server.url}/graphql`, { method: 'POST', headers, body: JSON.stringify(body) });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

/** Follows a room over a WebSocket with these parameters in place of a document, which the client requires. */
function followWith(server, parameters) {
  const client = createClient({ url: `${server.url.replace('http', 'ws')}/graphql`, webSocketImpl: ws });
  let leave;
  const promise = new Promise((resolve) => {
    leave = client.subscribe({ query: '', ...parameters }, { next: ({ data }) => resolve(data), error: resolve, complete() {} });
  });
  return { promise, leave };
}

async function withServer(list, act) {
  const server = await startServer({ TRUSTED_DOCUMENTS: list });
  try {
    await act(server);
    const { errors } = await server.graphql('{ activeRooms { totalCount } }');
    assert.equal(errors[0].extensions.code, 'DOCUMENT_NOT_TRUSTED');
  } finally {
    await server.stop();
  }
}

describe('lists of trusted documents', { concurrency: false }, () => {
  test('of Relay, whose environment sends ids as doc_id', async () => {
    const { list, requests } = await relayList();
    const [read, create, send, follow] = requests;
    assert.ok(requests.every(({ params }) => params.text === null && /^[0-9a-f]{32}$/.test(params.id)));
    await withServer(list, async (server) => {
      const execute = async ({ id }, variables) => ({ data: await post(server, { doc_id: id, variables }) });
      const network = relay.Network.create(execute);
      const environment = new relay.Environment({ network, store: new relay.Store(new relay.RecordSource()) });
      const mutate = (mutation, variables) =>
        new Promise((onCompleted, onError) => {
          relay.commitMutation(environment, { mutation, variables, onCompleted, onError });
        });
      await chat({
        create: async () => (await mutate(create, {})).createRoom,
        send: (variables) => mutate(send, variables),
        read: (variables) => relay.fetchQuery(environment, read, variables).toPromise(),
        follow: (variables) => followWith(server, { doc_id: follow.params.id, variables }),
      });
    });
  });

  test('of Apollo, whose client sends the ids as hashes of persisted queries', async () => {
    const list = await apolloList();
    const manifest = JSON.parse(await readFile(list, 'utf8'));
    const sources = Object.fromEntries(
      await Promise.all(SOURCES.map(async (path) => [path.split('/').at(-1), await readFile(path, 'utf8')])),
    );
    const document = (name) => gql(sources[name] + (sources[name].includes('...Line') ? sources['line.graphql'] : ''));
    await withServer(list, async (server) => {
      const persisted = new PersistedQueryLink(generatePersistedQueryIdsFromManifest({ loadManifest: async () => manifest }));
      const bodies = [];
      const http = new HttpLink({
        uri: `${server.url}/graphql`,
        fetch: (address, options) => (bodies.push(JSON.parse(options.body)), fetch(address, options)),
      });
      const verify = createPersistedQueryManifestVerificationLink({
        loadManifest: async () => manifest,
        onUnknownOperation: () => assert.fail('an operation is missing in the list'),
      });
      const client = new ApolloClient({ link: ApolloLink.from([verify, persisted, http]), cache: new InMemoryCache() });
      const follow = (variables) => {
        let open;
        const promise = new Promise((resolve) => {
          const next = ({ data, error }) => resolve(data ?? error);
          open = client.subscribe({ query: document('follow.graphql'), variables }).subscribe({ next, error: resolve });
        });
        return { promise, leave: () => open.unsubscribe() };
      };
      await chat({
        create: async () => (await client.mutate({ mutation: document('create.graphql') })).data.createRoom,
        send: async (variables) => (await client.mutate({ mutation: document('send.graphql'), variables })).data,
        read: async (variables) => (await client.query({ query: document('read.graphql'), variables })).data,
        follow,
      });
      assert.ok(bodies.length >= 4 && bodies.every(({ query, extensions }) => !query && extensions.persistedQuery.sha256Hash));
    });
  });

  test('of GraphQL Code Generator, whose clients send the ids as documentId', async () => {
    const { list, module } = await codegenList();
    // What the generated module has as `document.__meta__.hash`.
    const ids = Object.fromEntries(
      [...module.matchAll(/export const (\w+)Document = [^;]*?"hash":"([^"]+)"/g)].map(([, name, hash]) => [name, hash]),
    );
    assert.deepEqual(Object.keys(ids).sort(), ['CreateRoom', 'Follow', 'ReadRoom', 'SendLine']);
    await withServer(list, async (server) => {
      await chat({
        create: async () => (await post(server, { documentId: ids.CreateRoom })).createRoom,
        send: (variables) => post(server, { documentId: ids.SendLine, variables }),
        read: (variables) => post(server, { documentId: ids.ReadRoom, variables }),
        follow: (variables) => followWith(server, { documentId: ids.Follow, variables }),
      });
      for (const text of Object.values(JSON.parse(await readFile(list, 'utf8')))) {
        const { errors } = await server.graphql(text, { id: 'x', code: 'x', input: {} });
        assert.notEqual(errors?.[0].extensions.code, 'DOCUMENT_NOT_TRUSTED', 'a listed text runs');
      }
    });
  });

  test('do not keep the chat page from working', async () => {
    const list = join(directory, 'other.json');
    const text = '{ __typename }';
    await writeFile(list, JSON.stringify({ [createHash('sha256').update(text).digest('hex')]: text }));
    const browser = await openBrowser();
    try {
      await withServer(list, async (server) => {
        const chat = await openChat(browser, server.url);
        await chat.createRoom();
        await chat.send('by the page');
        await chat.waitForTexts('by the page');
        await chat.close();
      });
    } finally {
      await browser.close();
    }
  });
});

test('the list of the chat page has the documents that the page sends', async () => {
  const list = JSON.parse(await readFile(here('../../src/web/chat-documents.json'), 'utf8'));
  assert.deepEqual(list, chatDocuments(), 'run `make chat-documents`');
});
