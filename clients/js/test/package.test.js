// The package as it is published.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';

import { build } from 'esbuild';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Size of the core: minified and compressed, in bytes. */
const MAX_SIZE = 10 * 1024;

const run = (command, args, cwd = ROOT) =>
  promisify(execFile)(command, args, { cwd }).catch(({ message, stdout }) => assert.fail(`${message}\n${stdout}`));
const tool = (name) => join(ROOT, 'node_modules/.bin', name);

let folder;
let tarball;
let installed;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'livechat-client-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder]);
  tarball = join(folder, /"filename": "([^"]*)"/.exec(stdout)[1]);
  installed = join(folder, 'node_modules/livechat-client');
  await mkdir(installed, { recursive: true });
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', installed]);
});

after(() => rm(folder, { recursive: true }));

test('the tarball has the sources, their types, and what a package needs', async () => {
  const files = await readdir(installed, { recursive: true });
  const expected = ['README.md', 'CHANGELOG.md', 'LICENSE-MIT', 'LICENSE-APACHE', 'src/index.js', 'types/index.d.ts', 'types/react.d.ts'];
  for (const name of expected) assert.ok(files.includes(name), name);
  assert.deepEqual(files.filter((name) => /test|node_modules|tsconfig/.test(name)), []);
  const { dependencies } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
  assert.equal(dependencies, undefined);
});

test('publint and arethetypeswrong report nothing', async () => {
  const { messages, pkg } = await publint({ pkgDir: installed, strict: true, pack: false });
  assert.deepEqual(messages.map((message) => formatMessage(message, pkg)), []);
  await run(tool('attw'), [tarball, '--profile', 'esm-only']);
});

test(`the core is at most ${MAX_SIZE} bytes, minified and compressed`, async (t) => {
  const entry = join(installed, 'src/index.js');
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, minify: true, format: 'esm', target: 'es2022', write: false });
  const size = gzipSync(outputFiles[0].contents, { level: 9 }).length;
  t.diagnostic(`${size} bytes`);
  assert.ok(size <= MAX_SIZE, `${size} bytes`);
});

test('it can be imported, and a program that uses it passes the strict mode of TypeScript', async () => {
  await run('node', ['--input-type=module', '-e', "import { LiveChat } from 'livechat-client'; new LiveChat('http://127.0.0.1').close();"], folder);
  await symlink(join(ROOT, 'node_modules/@types'), join(folder, 'node_modules/@types'));
  await symlink(join(ROOT, 'node_modules/csstype'), join(folder, 'node_modules/csstype'));
  const program = join(folder, 'program.mts');
  await writeFile(
    program,
    `import { LiveChat, LiveChatError, type Message, type RoomState } from 'livechat-client';
     import { useRoom } from 'livechat-client/react';
     const chat = new LiveChat('https://chat.example.org', { storage: { getItem: () => null, setItem() {} } });
     const { roomId, roomCode } = await chat.createRoom({ title: 'Tea', slowModeSeconds: 3 });
     const room = await chat.join({ roomId, roomCode, user: { displayName: 'Ada' } });
     const state: RoomState = room.state;
     const message: Message = await room.send('Hello');
     for (const { status, text } of state.messages) if (status === 'failed') text.length;
     for await (const event of room) {
       if (event.__typename === 'UserBanned') event.ban.user.displayName.length;
       if (event.__typename === 'MessageSent') event.message.text?.length;
     }
     try { await room.owner.ban(message.author.id, { seconds: 60 }); }
     catch (error) { if (error instanceof LiveChatError && error.code === 'USER_BANNED') error.until?.length; }
     const { connection } = useRoom(chat, { roomId, roomCode }).state;
     connection satisfies 'connecting' | 'live' | 'lost' | 'ended' | 'closed';
     // @ts-expect-error
     await chat.join({ roomId });
     // @ts-expect-error
     await room.send(1);`,
  );
  const compilerOptions = { noEmit: true, strict: true, module: 'nodenext', target: 'es2022', lib: ['es2022', 'dom'], types: [] };
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: [program] }));
  await run(tool('tsc'), ['--project', folder]);
});
