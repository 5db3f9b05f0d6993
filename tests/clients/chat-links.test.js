// Links to rooms as other programs change them, and text that people copy.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createRoom } from './support/author.js';
import { fragmentOf, useChat } from './support/chat_fixture.js';
import { importFromPage } from './support/page_module.js';

const chats = useChat();

const { parseRoom, parseCode } = await importFromPage('link.js');

/** Texts that people paste, all of which must open the room with this id, code and link. */
const pastedTexts = (id, code, link) => {
  const [head, tail] = [id.slice(0, 20), id.slice(20)];
  return [
    // A link with added text around it.
    ...['', '.', ',', ';', ':', '!', '?', ')', ']', '}', '>', '"', '”', '’', '»', '*', '_', '…', '。', '）', '\u200b', '\ufeff', '\u00a0', '/', '#', ').'].map((after) => link + after),
    ...['?utm_source=mail', '&utm_source=mail', '?utm_source=mail&utm_id=20261128', '?fbclid=IwAR0', '#top', '/?x=1', '%3Futm_source=mail', '%20', '%E2%80%8B', '%22', '%'].map((after) => link + after),
    ...['<>', '()', '[]', '“”', '„“', '«»', '""', "''", '``', '**', '__'].map(([left, right]) => `${left}${link}${right}`),
    `Come to ${link}, we start at 10:30.`,
    `[the room](${link})`,
    `<a href="${link}">the room</a>`,
    `${link} ${link}`,
    `${link}加入`,
    link.toUpperCase(),
    link.replace('#', '%23'),
    encodeURIComponent(link),
    encodeURIComponent(encodeURIComponent(link)),
    link.replace('#', '?utm_source=mail#'),
    `https://example.org/?id=${'f'.repeat(32)}&to=${encodeURIComponent(link)}`,
    // A link that a mail program has wrapped.
    link.replace(id, `${head}\n${tail}`),
    link.replace(id, `${head}\r\n> ${tail}`),
    link.replace(id, `${head}=\r\n${tail}`),
    link.replace(id, `${head} ${tail}`),
    link.replace(id, `${head}\u00ad${tail}`),
    link.replace(code, `${code.slice(0, 2)}\n${code.slice(2)}`),
    link.replace(code, `${code.slice(0, 4)}=\n${code.slice(4)}`),
    link.replace('/' + code, `/\n${code}`),
    // Id and code with various separators.
    ...[' ', '  ', '\n', '\r\n', '\t', '\u00a0', '\u2003', ',', ', ', ';', ':', ' / ', ' | ', ' - ', ' – ', '\u200b', ' \u200b', ''].map((between) => `${id}${between}${code}`),
    `ID: ${id} Code: ${code}`,
    `ID: ${id}\nCode: ${code}\n`,
    `Room id ${id}, code ${code}.`,
    `Code: ${code}\nRoom: ${id}`,
    `Raum ${id}, PIN: ${code}`,
    `"${id}" "${code}"`,
    `(${id}, ${code})`,
    `${id} (${code})`,
    `{"room_id":"room:*${id}","room_code":"${code}"}`,
    `${id.toUpperCase()} ${code}`,
    `\u200b${id}\u200b \u200b${code}\u200b`,
    `${id} ${[...code].map((digit) => String.fromCodePoint(0xff10 + Number(digit))).join('')}`,
  ];
};

test('a room is found with any text around a link or between id and code', () => {
  const [id, code] = ['0123456789abcdef0123456789abcdef', '123456'];
  for (const text of pastedTexts(id, code, `https://chat.example.org/rooms/#${id}/${code}`)) {
    assert.deepEqual(parseRoom(text), { id, code }, JSON.stringify(text));
  }
  for (const digits of ['1234', '0123456789012345678901234567890123'.slice(0, 32)]) {
    for (const text of [`#${id}/${digits}.`, `${id} ${digits}`, `${id}${digits}`]) assert.deepEqual(parseRoom(text), { id, code: digits }, text);
  }
});

test('other text is not mistaken for an id or a code', () => {
  const id = '0123456789abcdef0123456789abcdef';
  for (const text of ['', 'hello', id.slice(1), `a${id}`, `${id}a`, `${id}xyz`, 'g'.repeat(32), id + '1'.repeat(40), '%', '%zz']) {
    assert.equal(parseRoom(text), null, text);
  }
  for (const text of [
    ...[' at 2024-01-02', ' expires 2026', ` ${'1234'.padEnd(32, 'a')}`, ' on 2026-11-28'].map((behind) => id + behind),
    ...[id, `${id}.`, `${id}, see you at 10`, `https://chat.example.org/#${id}`, `#${id}/`, `<${id}>`, `room:*${id}`],
  ]) {
    assert.deepEqual(parseRoom(text), { id, code: undefined }, text);
  }
});

test('a code is found with any text around it', () => {
  for (const text of ['123456', ' 123456\u200b', '"123456"', '123456.', '(123456)', 'Code: 123456', '123 456', '123-456', '１２３４５６', '123456\u00a0']) {
    assert.equal(parseCode(text), '123456', text);
  }
  assert.equal(parseCode(' \u200b'), '');
});

test('an address with added text opens its room and is cleaned', async () => {
  const fragment = fragmentOf(await createRoom(chats.server.graphql));
  const decorated = ['.', ')', '>', '"', '?utm_source=mail', '&utm_source=mail', '\u200b', '%E2%80%8B', '%3E', '”', '%', '/'].map((after) => fragment + after);
  for (const address of [...decorated, fragment.replace('/', '%2F'), fragment.replace('/', '%20')]) {
    const chat = await chats.open({ fragment: address });
    await chat.waitUntilLive();
    assert.equal(chat.page.url(), `${chats.server.url}/${fragment}`, address);
    await chat.close();
  }
  const chat = await chats.open({ fragment: `?utm_source=mail&fbclid=1${fragment}` });
  await chat.waitUntilLive();
  assert.equal(chat.page.url(), `${chats.server.url}/${fragment}`);
  await chat.page.getByRole('button', { name: 'Invite people' }).first().click();
  assert.equal(await chat.page.getByLabel('Link to this room').inputValue(), `${chats.server.url}/${fragment}`, 'the link to share is clean, too');
  await chat.close();
});

test('text pasted on the start page opens the room', async () => {
  const { key } = await createRoom(chats.server.graphql);
  const link = `${chats.server.url}/#${key.roomId}/${key.roomCode}`;
  const chat = await chats.open({ permissions: ['clipboard-read', 'clipboard-write'] });
  for (const text of [`${link}.`, `<${link}>`, `“${link}”`, `${link}?utm_source=mail`, `${link}\u200b`, `${key.roomId} ${key.roomCode}`, `${key.roomId}\n${key.roomCode}`, `ID: ${key.roomId}\nCode: ${key.roomCode}`, link.replace('#', '#\n')]) {
    await chat.page.goto(`${chats.server.url}/`);
    await chat.page.evaluate((text) => navigator.clipboard.writeText(text), text);
    await chat.page.getByLabel('Link or room id').focus();
    await chat.page.keyboard.press('Control+V');
    await chat.page.keyboard.press('Enter');
    await chat.waitUntilLive();
    assert.equal(chat.fragment, `#${key.roomId}/${key.roomCode}`, JSON.stringify(text));
  }
  await chat.page.goto(`${chats.server.url}/`);
  await chat.page.getByLabel('Link or room id').fill(` ${key.roomId}\u200b `);
  await chat.page.getByLabel('Code').fill(`${key.roomCode}.`);
  await chat.page.getByRole('button', { name: 'Join' }).click();
  await chat.waitUntilLive();
  await chat.close();
});

test('a link without a code asks for the code, and a wrong code can be corrected', async () => {
  const { key } = await createRoom(chats.server.graphql);
  const chat = await chats.open({ fragment: `#${key.roomId}` });
  await chat.page.getByRole('alert').filter({ hasText: 'Check that you copied the whole link' }).waitFor();
  await chat.page.getByLabel('Code').fill('000000000');
  await chat.page.getByRole('button', { name: 'Join' }).click();
  const problem = chat.page.getByRole('alert').filter({ hasText: 'is wrong' });
  await problem.waitFor();
  await problem.evaluate((alert) => (alert.textContent = ''));
  await chat.page.getByLabel('Code').fill('000000000');
  await chat.page.getByRole('button', { name: 'Join' }).click();
  await problem.waitFor();
  await chat.page.getByLabel('Code').fill(key.roomCode);
  await chat.page.getByRole('button', { name: 'Join' }).click();
  await chat.waitUntilLive();
  await chat.close();
});
