// Accessibility of the chat page: keyboard, screen reader, phone, light and dark colors.
//
// With PICTURES=1 it also writes the screenshot of the README.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertAccessible } from './support/accessible.js';
import { useChat } from './support/chat_fixture.js';
import { until } from './support/until.js';

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

const chats = useChat();

async function enterNew(options) {
  const chat = await chats.open(options);
  await chat.createRoom();
  return chat;
}

async function enter({ fragment }, options) {
  const chat = await chats.open({ ...options, fragment });
  await chat.waitUntilLive();
  return chat;
}

for (const colorScheme of ['light', 'dark']) {
  test(`axe-core finds no violation, ${colorScheme}`, async () => {
    const chat = await chats.open({ colorScheme, reducedMotion: 'reduce' });
    await assertAccessible(chat.page, {}, 'the start page');
    await chat.createRoom();
    await assertAccessible(chat.page, {}, 'an empty room');
    await chat.send('Hello');
    await chat.send('to be deleted');
    const other = await enter(chat);
    await other.send('Hello back');
    await chat.waitForTexts('Hello', 'to be deleted', 'Hello back');
    await chat.clickButtonOf('to be deleted', 'Delete');
    await assertAccessible(chat.page, {}, 'the dialog of a deletion');
    await chat.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await chat.waitForTexts('Hello', 'Message deleted', 'Hello back');
    await chat.page.getByText('Hello', { exact: true }).hover();
    await assertAccessible(chat.page, {}, 'a room');
    await chat.page.getByRole('button', { name: 'Invite people' }).click();
    await assertAccessible(chat.page, {}, 'the dialog of the link');
    await chat.page.keyboard.press('Escape');
    await chat.context.setOffline(true);
    await chat.page.getByText('You are offline').waitFor();
    await chat.submit('later');
    await assertAccessible(chat.page, {}, 'offline');
    await other.close();
    await chat.close();
  });
}

test('everything works with the keyboard alone', async () => {
  const chat = await chats.open();
  const { keyboard } = chat.page;
  const focused = () => chat.page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent);
  await keyboard.press('Tab');
  assert.equal(await focused(), 'Create a room');
  await keyboard.press('Enter');
  await chat.waitUntilLive();

  assert.equal(await focused(), 'Message', 'the message field has the focus');
  await keyboard.press('Shift+Tab');
  await keyboard.press('Control+A');
  await keyboard.type('Ada');
  await keyboard.press('Enter');
  assert.equal(await focused(), 'Message');
  await keyboard.type('two');
  await keyboard.press('Shift+Enter');
  await keyboard.type('lines');
  await keyboard.press('Enter');
  await chat.waitForTexts('two\nlines');
  await chat.page.getByText('You are Ada').waitFor();

  await keyboard.press('ArrowUp');
  await until(async () => (await focused()) === 'Edit your message');
  await keyboard.type(', mended');
  await keyboard.press('Enter');
  await chat.waitForTexts('two\nlines, mended');
  assert.equal(await focused(), 'Message');
  await keyboard.press('ArrowUp');
  await until(async () => (await focused()) === 'Edit your message');
  await keyboard.type('never mind');
  await keyboard.press('Escape');
  await chat.waitForTexts('two\nlines, mended');

  await keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'Delete');
  await keyboard.press('Enter');
  await chat.page.getByRole('dialog', { name: 'Delete this message?' }).waitFor();
  await keyboard.press('Escape');
  assert.equal(await focused(), 'Delete', 'the focus is restored');
  await keyboard.press('Enter');
  await chat.page.getByRole('dialog').waitFor();
  await keyboard.press('Enter');
  await chat.waitForTexts('Message deleted');
  assert.equal(await focused(), 'Message');
  await chat.close();
});

test('screen readers read new messages of others, but no earlier ones', async () => {
  const ada = await enterNew();
  await ada.setName('Ada');
  await ada.send('sent before');
  const grace = await enter(ada);
  await grace.waitForTexts('sent before');
  const announced = () => grace.page.locator('#announcer').textContent();
  assert.equal(await announced(), '');
  await ada.send('sent now');
  await until(async () => (await announced()) === 'Ada: sent now');
  const log = grace.page.getByRole('log', { name: 'Messages' });
  assert.equal(await log.getAttribute('aria-live'), 'off', 'messages loaded by scrolling are not read');
  await ada.close();
  await grace.close();
});

test('everything fits and works on a phone', async () => {
  const chat = await enterNew(PHONE);
  await chat.send(`${'a long text '.repeat(20)}${'x'.repeat(300)}`);
  const isNarrow = () => chat.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  assert.ok(await isNarrow(), 'no horizontal scrolling');
  const field = await chat.page.getByLabel('Message', { exact: true }).boundingBox();
  assert.ok(field.y + field.height <= 844, 'the field is on the screen');
  for (const button of await chat.page.getByRole('button').all()) {
    const { width, height } = await button.boundingBox();
    assert.ok(Math.min(width, height) >= 36, `${await button.getAttribute('aria-label')} is ${width} x ${height}`);
  }

  const people = chat.page.getByRole('button', { name: '1 here now' });
  await people.tap();
  await chat.page.getByRole('complementary', { name: 'People' }).waitFor();
  await chat.page.keyboard.press('Escape');
  assert.equal(await chat.page.getByRole('complementary').count(), 0);
  assert.ok(await people.evaluate((button) => button === document.activeElement));

  // On a touch keyboard, Enter starts a new line.
  await chat.page.getByLabel('Message', { exact: true }).tap();
  await chat.page.keyboard.type('one');
  await chat.page.keyboard.press('Enter');
  await chat.page.keyboard.type('two');
  assert.equal(await chat.page.getByLabel('Message', { exact: true }).inputValue(), 'one\ntwo');

  await chat.page.setViewportSize({ width: 320, height: 400 });
  assert.ok(await isNarrow(), 'no horizontal scrolling on a small screen either');
  await chat.close();
});

test('a screenshot for the README', { skip: !process.env.PICTURES && 'only with PICTURES=1' }, async () => {
  const ada = await enterNew({ viewport: { width: 1120, height: 760 } });
  const grace = await enter(ada);
  const edsger = await enter(ada);
  await ada.setName('Ada Lovelace');
  await grace.setName('Grace Hopper');
  await edsger.setName('Edsger Dijkstra');
  await grace.send('Good morning! The train is late, I am with you in ten minutes.');
  await edsger.send('No hurry. We have 24 hours, and then this room forgets us.');
  await ada.send('Here are the notes so far:\n1. numbers can stand for music\n2. the engine does not care');
  await ada.send('Did I miss anything?');
  await grace.send('Just lost the network in a tunnel, and got everything when it came back.');
  await edsger.send('Hm');
  await edsger.clickButtonOf('Hm', 'Delete');
  await edsger.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await grace.send('See you in a minute.');
  await until(async () => (await ada.texts()).at(-1) === 'See you in a minute.');
  await ada.page.locator('.viewer-count', { hasText: '3 here now' }).waitFor();
  const path = new URL('../../docs/pictures/chat.png', import.meta.url).pathname;
  await ada.page.screenshot({ path });
  for (const chat of [ada, grace, edsger]) await chat.close();
});
