// Replies in the chat page.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { useChat } from './support/chat_fixture.js';
import { createOwnedRoom } from './support/owned_room.js';
import { until } from './support/until.js';

const chats = useChat();

const quoteOf = (chat, text) => chat.row(text).locator('.quote');
const isFocused = (row) => row.evaluate((row) => row === document.activeElement);
const isOnScreen = (row) => row.evaluate((row) => {
  const { top, bottom } = row.getBoundingClientRect();
  return top >= 0 && bottom <= innerHeight;
});

test('a reply shows the beginning of its message to everybody, and leads to it', async () => {
  const room = await createOwnedRoom(chats.server.graphql);
  const ann = await room.join('<b>Ann</b>');
  await ann.send('What is <u>new</u>?');
  for (let number = 0; number < 30; number += 1) await ann.send(`message ${number}`);
  const chat = await chats.enter(room);
  await chat.clickButtonOf('What is', 'Reply');
  await chat.page.getByText('Replying to').waitFor();
  await chat.send('Everything');
  const quote = quoteOf(chat, 'Everything');
  await until(async () => /<b>Ann<\/b> What is <u>new<\/u>\?$/.test(await quote.textContent()), () => quote.textContent());
  await quote.click();
  const target = chat.row('What is');
  await until(async () => (await isFocused(target)) && (await isOnScreen(target)));
  assert.equal(await chat.page.locator('.log b, .log u').count(), 0);
  const other = await chats.enter(room);
  await quoteOf(other, 'Everything').waitFor();
  await chat.close();
  await other.close();
});

test('a reply can be given up, and does not survive the deletion of its message', async () => {
  const room = await createOwnedRoom(chats.server.graphql);
  const id = await room.send('hello');
  const chat = await chats.enter(room);
  const replying = chat.page.getByText('Replying to');
  await chat.clickButtonOf('hello', 'Reply');
  await chat.page.keyboard.press('Escape');
  await replying.waitFor({ state: 'hidden' });
  await chat.clickButtonOf('hello', 'Reply');
  await chat.page.getByRole('button', { name: 'Do not reply' }).click();
  await replying.waitFor({ state: 'hidden' });
  await chat.clickButtonOf('hello', 'Reply');
  await replying.waitFor();
  await room.delete(id);
  await replying.waitFor({ state: 'hidden' });
  await chat.send('no reply');
  assert.equal(await quoteOf(chat, 'no reply').count(), 0);
  await chat.close();
});

test('when the message of a reply is edited or deleted, the quote changes', async () => {
  const room = await createOwnedRoom(chats.server.graphql);
  const id = await room.send('hello');
  await (await room.join('Ann')).send('an answer', id);
  const chat = await chats.enter(room);
  await quoteOf(chat, 'an answer').filter({ hasText: 'hello' }).waitFor();
  await room.edit(id, 'good morning');
  await quoteOf(chat, 'an answer').filter({ hasText: 'good morning' }).waitFor();
  await room.delete(id);
  await quoteOf(chat, 'an answer').filter({ hasText: 'Message deleted' }).waitFor();
  await chat.waitForTexts('Message deleted', 'an answer');
  await chat.close();
});

test('a reply to a message that is not loaded shows it, and loads the messages up to it', async () => {
  const room = await createOwnedRoom(chats.server.graphql);
  const id = await room.send('the first');
  for (let number = 0; number < 130; number += 1) await room.send(`message ${number}`);
  await (await room.join('Ann')).send('an answer', id);
  const chat = await chats.enter(room);
  await quoteOf(chat, 'an answer').filter({ hasText: 'the first' }).waitFor();
  assert.equal(await chat.page.locator('.text', { hasText: 'the first' }).count(), 0);
  await quoteOf(chat, 'an answer').click();
  const target = chat.row('the first');
  await until(async () => (await target.count()) === 1 && (await isFocused(target)) && (await isOnScreen(target)));
  await chat.page.getByRole('button', { name: 'Latest messages' }).click();
  await until(async () => (await chat.texts()).at(-1) === 'an answer');
  await chat.close();
});

test('a message that is far back is shown in a dialog', async () => {
  const room = await createOwnedRoom(chats.server.graphql);
  const id = await room.send('long ago');
  for (let number = 0; number < 560; number += 1) await room.send(`message ${number}`);
  await (await room.join('Ann')).send('an answer', id);
  const chat = await chats.enter(room);
  await quoteOf(chat, 'an answer').click();
  await chat.page.getByRole('dialog').getByText('long ago').waitFor();
  await chat.page.keyboard.press('Escape');
  await until(() => quoteOf(chat, 'an answer').evaluate((quote) => quote === document.activeElement));
  await chat.close();
});
