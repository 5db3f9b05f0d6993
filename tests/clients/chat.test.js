// The chat page: people talk with each other, each in a Chromium of their own.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createRoom } from './support/author.js';
import { openBrowser } from './support/browser.js';
import { openChat } from './support/chat_page.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

let server;
let browser;

before(async () => {
  server = await startServer();
  browser = await openBrowser();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const open = (options) => openChat(browser, server.url, options);

/** Opens the page of a room for each option, one after the other. */
async function openRoom(...options) {
  const [first, ...others] = options.length > 0 ? options : [{}];
  const chats = [await open(first)];
  await chats[0].createRoom();
  for (const other of others) {
    chats.push(await open({ ...other, fragment: chats[0].fragment }));
    await chats.at(-1).isIn();
  }
  return chats;
}

test('two people: create, share the link, join, send, edit, delete', async () => {
  const ada = await open({ permissions: ['clipboard-read', 'clipboard-write'] });
  await ada.createRoom();
  await ada.callMyself('Ada');
  await ada.page.getByRole('button', { name: 'Invite people' }).first().click();
  await ada.page.getByRole('button', { name: 'Copy link' }).click();
  await ada.page.getByRole('button', { name: 'Copied' }).waitFor();
  const link = await ada.page.evaluate(() => navigator.clipboard.readText());
  await ada.page.keyboard.press('Escape');

  const grace = await open();
  await grace.page.getByLabel('Link or room id').fill(link);
  await grace.page.getByRole('button', { name: 'Join' }).click();
  await grace.isIn();
  await grace.callMyself('Grace');
  await ada.send('Hello');
  await grace.shows('Hello');
  await grace.send('Hi there\nand everybody');
  await ada.shows('Hello', 'Hi there\nand everybody');

  await ada.act('Hello', 'Edit');
  await ada.page.getByLabel('Edit your message').fill('Good morning');
  await ada.page.getByRole('button', { name: 'Save' }).click();
  await grace.shows('Good morning', 'Hi there\nand everybody');
  await grace.page.getByText('(edited)').waitFor();

  await grace.act('Hi there', 'Delete');
  await grace.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await ada.shows('Good morning', 'Message deleted');

  assert.equal(await ada.row('Message deleted').getByRole('button').count(), 0);
  assert.equal(await grace.row('Good morning').getByRole('button').count(), 0, 'nobody can change what others wrote');
  assert.deepEqual(await ada.page.locator('.chatters .who-name').allTextContents(), ['Ada', 'Grace']);
  await ada.page.locator('.now', { hasText: '2 here now' }).waitFor();
  await ada.close();
  await grace.close();
});

test('a room is joined by its id and code, and found again on the start page', async () => {
  const { place } = await createRoom(server.graphql);
  const ada = await open();
  await ada.page.getByLabel('Link or room id').fill(place.roomId);
  await ada.page.getByLabel('Code').fill(place.roomCode);
  await ada.page.getByRole('button', { name: 'Join' }).click();
  await ada.isIn();
  await ada.page.getByRole('link', { name: 'LiveChat' }).click();
  await ada.page.getByRole('region', { name: 'Rooms you were in' }).getByRole('link').click();
  await ada.isIn();
  await ada.close();
});

test('who cannot come in is told why', async () => {
  const { place } = await createRoom(server.graphql);
  for (const [fragment, reason] of [
    [`#${place.roomId}/${place.roomCode}0`, 'does not open the room'],
    [`#${'0'.repeat(32)}/1`, 'is gone'],
    ['#nonsense', 'does not lead to a room'],
  ]) {
    const chat = await open({ fragment });
    await chat.page.getByRole('alert').filter({ hasText: reason }).waitFor();
    await chat.close();
  }
});

test('a text never becomes markup', async () => {
  const [ada, grace] = await openRoom({}, {});
  const text = '<img src=x onerror="window.pwned = 1"><b>bold</b> &amp; https://example.org/';
  await ada.callMyself('<i>Ada</i>');
  await ada.send(text);
  for (const chat of [ada, grace]) {
    await chat.shows(text);
    assert.equal(await chat.page.locator('.log img, .log b, .log i, .people i, .log a').count(), 0);
    assert.equal(await chat.page.evaluate(() => window.pwned), undefined);
  }
  await grace.page.locator('.chatters').getByText('<i>Ada</i>').waitFor();
  await ada.close();
  await grace.close();
});

test('two tabs of one browser are one user, and send at the same time', async () => {
  const [first] = await openRoom();
  const second = await open({ context: first.context, fragment: first.fragment });
  await second.isIn();
  const texts = Array.from({ length: 6 }, (_, number) => `message ${number}`);
  await Promise.all(
    [first, second].map(async (chat, tab) => {
      for (const text of texts) await chat.type(`${text} of tab ${tab}`);
      await chat.isSent();
    }),
  );
  await until(async () => (await first.texts()).length === 12 && (await second.texts()).length === 12);
  assert.deepEqual(await first.texts(), await second.texts());
  assert.equal(new Set(await first.texts()).size, 12);
  assert.equal(await first.page.locator('.row.mine').count(), 12);
  assert.equal(await first.page.locator('.chatters li').count(), 1);
  assert.deepEqual(second.faults, []);
  await first.close();
});
