// The examples for Express and Rails in docs/identity.md, with the real jose and ruby-jwt, and every algorithm of a key file.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { exportJWK, generateKeyPair, SignJWT } from 'jose';

import { startServer } from './support/server.js';

const here = (path) => new URL(path, import.meta.url).pathname;
const run = promisify(execFile);

const SEND = `mutation ($input: SendMessageInput!) {
  sendMessage(input: $input) { token author { id displayName isVerified avatarUrl } }
}`;

let directory;
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'livechat-identity-'));
  await symlink(here('node_modules'), join(directory, 'node_modules'));
});
after(() => rm(directory, { recursive: true }));

/** The example in this language. */
async function example(language) {
  const docs = await readFile(here('../../docs/identity.md'), 'utf8');
  const found = [...docs.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))];
  assert.equal(found.length, 1);
  return found[0][1];
}

/** Sends a message with an identity; returns the response. */
async function send(server, identity) {
  const { data } = await server.graphql('mutation { createRoom { room { id code } } }');
  const { id: roomId, code: roomCode } = data.createRoom.room;
  return server.graphql(SEND, { input: { roomId, roomCode, text: 'hello', token: identity } });
}

async function withServer(settings, act) {
  const server = await startServer({ IDENTITY: 'required', ...settings });
  try {
    await act(server);
  } finally {
    await server.stop();
  }
}

test('the example with jose signs an identity that the server accepts', async () => {
  await run('sh', ['-e', '-c', await example('sh')], { cwd: directory });
  // The parts of Express that the example uses.
  const setup = 'export const routes = {};\nconst requireLogin = null;\nconst app = { get: (path, guard, handler) => (routes[path] = handler) };\n';
  const code = (await example('js')).replaceAll("'livechat-key.pem'", JSON.stringify(join(directory, 'livechat-key.pem')));
  await writeFile(join(directory, 'express.mjs'), setup + code);
  const { routes } = await import(join(directory, 'express.mjs'));
  const identity = await new Promise((resolve) => {
    const user = { id: 42, name: 'Ada', pictureUrl: 'https://example.org/ada.png' };
    routes['/livechat-identity']({ user }, { json: ({ identity }) => resolve(identity) });
  });
  await withServer({ IDENTITY_KEYS: join(directory, 'livechat-jwks.json') }, async (server) => {
    const author = { id: '@42', displayName: 'Ada', isVerified: true, avatarUrl: 'https://example.org/ada.png' };
    assert.deepEqual((await send(server, identity)).data, { sendMessage: { token: identity, author } });
  });
});

test('keys of every algorithm that jose makes sign identities, and those of others do not', async () => {
  const keys = await Promise.all(
    ['EdDSA', 'ES256', 'RS256'].map(async (alg) => ({ alg, ...(await generateKeyPair(alg, { extractable: true })) })),
  );
  const jwks = { keys: await Promise.all(keys.map(async ({ alg, publicKey }) => ({ ...(await exportJWK(publicKey)), kid: alg, alg }))) };
  await writeFile(join(directory, 'jwks.json'), JSON.stringify(jwks));
  const sign = (key, header) =>
    new SignJWT({ name: 'Ada' }).setProtectedHeader(header).setSubject('42').setExpirationTime('1 minute').sign(key);
  await withServer({ IDENTITY_KEYS: join(directory, 'jwks.json') }, async (server) => {
    for (const { alg, privateKey } of keys) {
      for (const header of [{ alg, kid: alg }, { alg }]) {
        assert.equal((await send(server, await sign(privateKey, header))).data?.sendMessage.author.id, '@42', alg);
      }
    }
    const [{ privateKey: ed }, { privateKey: es }, { publicKey: rsa }] = keys;
    const { privateKey: other } = await generateKeyPair('RS256');
    const { privateKey: es384 } = await generateKeyPair('ES384');
    const secret = new TextEncoder().encode(JSON.stringify(await exportJWK(rsa)));
    for (const [what, identity] of [
      ['another key', await sign(other, { alg: 'RS256', kid: 'RS256' })],
      ['the key of another id', await sign(es, { alg: 'ES256', kid: 'EdDSA' })],
      ['an unknown id', await sign(ed, { alg: 'EdDSA', kid: 'x' })],
      ['another curve', await sign(es384, { alg: 'ES384' })],
      ['the public key as a secret', await sign(secret, { alg: 'HS256', kid: 'RS256' })],
    ]) {
      assert.equal((await send(server, identity)).errors?.[0].extensions.code, 'IDENTITY_INVALID', what);
    }
  });
});

test('the example with ruby-jwt signs an identity that the server accepts', async (t) => {
  try {
    await run('ruby', ['-e', 'require "jwt"']);
  } catch {
    return t.skip('there is no Ruby with the gem jwt');
  }
  const LIVECHAT_SECRET = 'a secret of the site, 32 bytes or more';
  // The parts of Rails that the example uses.
  const setup = `require "jwt"
User = Struct.new(:id, :name)
class ApplicationController
  def self.before_action(*) = nil
  def current_user = User.new(42, "Ada")
  def render(json:) = print(json[:identity])
end
`;
  await writeFile(join(directory, 'rails.rb'), `${setup}${await example('ruby')}\nLivechatIdentitiesController.new.show\n`);
  const env = { ...process.env, LIVECHAT_SECRET };
  const { stdout: identity } = await run('ruby', [join(directory, 'rails.rb')], { env });
  await withServer({ IDENTITY_SECRET: LIVECHAT_SECRET }, async (server) => {
    const { token, author } = (await send(server, identity)).data.sendMessage;
    assert.deepEqual([token, author.id, author.displayName], [identity, '@42', 'Ada']);
  });
});
