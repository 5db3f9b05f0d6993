// The chat page: users who talk with each other, each in a browser profile of their own.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createRoom } from './support/author.js';
import { useChat } from './support/chat_fixture.js';
import { until } from './support/until.js';

const chats = useChat();

test('two users create a room, share its link, join, send, edit and delete', async () => {
  const ada = await chats.open({ permissions: ['clipboard-read', 'clipboard-write'] });
  await ada.createRoom();
  await ada.setName('Ada');
  await ada.page.getByRole('button', { name: 'Invite people' }).first().click();
  await ada.page.getByRole('button', { name: 'Copy link' }).click();
  await ada.page.getByRole('button', { name: 'Copied' }).waitFor();
  const link = await ada.page.evaluate(() => navigator.clipboard.readText());
  await ada.page.keyboard.press('Escape');

  const grace = await chats.open();
  await grace.page.getByLabel('Link or room id').fill(link);
  await grace.page.getByRole('button', { name: 'Join' }).click();
  await grace.waitUntilLive();
  await grace.setName('Grace');
  await ada.send('Hello');
  await grace.waitForTexts('Hello');
  await grace.send('Hi there\nand everybody');
  await ada.waitForTexts('Hello', 'Hi there\nand everybody');

  await ada.choose('Hello', 'Edit');
  await ada.page.getByLabel('Edit your message').fill('Good morning');
  await ada.page.getByRole('button', { name: 'Save' }).click();
  await grace.waitForTexts('Good morning', 'Hi there\nand everybody');
  await grace.page.getByText('(edited)').waitFor();

  await grace.choose('Hi there', 'Delete');
  await grace.confirm('Delete');
  await ada.waitForTexts('Good morning', 'Message deleted');

  assert.equal(await ada.row('Message deleted').getByRole('button').count(), 0);
  const buttons = await grace.row('Good morning').getByRole('button').all();
  const labels = await Promise.all(buttons.map((button) => button.getAttribute('aria-label')));
  assert.deepEqual(labels, ['React', 'Reply'], 'users cannot change messages of others');
  await until(async () => (await ada.page.locator('.chatters .chatter-name').allTextContents()).join() === 'Ada,Grace');
  await ada.page.locator('.viewer-count', { hasText: '2 here now' }).waitFor();
  await ada.close();
  await grace.close();
});

test('a room can be joined by id and code, and is listed on the start page', async () => {
  const { key } = await createRoom(chats.server.graphql);
  const ada = await chats.open();
  await ada.page.getByLabel('Link or room id').fill(key.roomId);
  await ada.page.getByLabel('Code').fill(key.roomCode);
  await ada.page.getByRole('button', { name: 'Join' }).click();
  await ada.waitUntilLive();
  await ada.page.getByRole('link', { name: 'LiveChat' }).click();
  await ada.page.getByRole('region', { name: 'Rooms you were in' }).getByRole('link').click();
  await ada.waitUntilLive();
  await ada.close();
});

test('a user who cannot enter is told why', async () => {
  const { key } = await createRoom(chats.server.graphql);
  for (const [fragment, reason] of [
    [`#${key.roomId}/${key.roomCode}0`, 'is wrong'],
    [`#${'0'.repeat(32)}/1`, 'does not exist'],
    ['#nonsense', 'does not lead to a room'],
  ]) {
    const chat = await chats.open({ fragment });
    await chat.page.getByRole('alert').filter({ hasText: reason }).waitFor();
    await chat.close();
  }
});

test('texts never become markup', async () => {
  const { room, chat: ada } = await chats.enterNewRoom();
  const grace = await chats.enter(room);
  const text = '<img src=x onerror="window.pwned = 1"><b>bold</b> &amp; https://example.org/';
  await ada.setName('<i>Ada</i>');
  await ada.send(text);
  for (const chat of [ada, grace]) {
    await chat.waitForTexts(text);
    assert.equal(await chat.page.locator('.log img, .log b, .log i, .people i, .log a').count(), 0);
    assert.equal(await chat.page.evaluate(() => window.pwned), undefined);
  }
  await grace.page.locator('.chatters').getByText('<i>Ada</i>').waitFor();
  await ada.close();
  await grace.close();
});

test('two tabs of one browser are one user and can send at the same time', async () => {
  const { room, chat: first } = await chats.enterNewRoom();
  const second = await chats.enter(room, { context: first.context });
  const texts = Array.from({ length: 6 }, (_, number) => `message ${number}`);
  await Promise.all(
    [first, second].map(async (chat, tab) => {
      for (const text of texts) await chat.submit(`${text} of tab ${tab}`);
      await chat.waitUntilSent();
    }),
  );
  await until(async () => (await first.texts()).length === 12 && (await second.texts()).length === 12);
  assert.deepEqual(await first.texts(), await second.texts());
  assert.equal(new Set(await first.texts()).size, 12);
  assert.equal(await first.page.locator('.row.mine').count(), 12);
  await until(async () => (await first.page.locator('.chatters li').count()) === 1);
  assert.deepEqual(second.faults, []);
  await first.close();
});
