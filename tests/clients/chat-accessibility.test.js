// Accessibility of the chat page: keyboard, screen reader, phone, light and dark colors.
//
// With PICTURES=1 it also writes the screenshot of the README, for which the machine needs a font with emoji.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { assertAccessibleInBothSchemes } from './support/accessible.js';
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

/** Lets a user type until `act()` is done. Others see for some seconds only who is typing. */
async function whileTyping({ page }, act) {
  let isDone = false;
  const typing = (async () => {
    while (!isDone) await page.getByLabel('Message', { exact: true }).pressSequentially('x', { delay: 200 });
  })();
  try {
    await act();
  } finally {
    isDone = true;
    await typing;
  }
}

test('axe-core finds no violation', async () => {
  const chat = await chats.open({ colorScheme: 'light', reducedMotion: 'reduce' });
  await assertAccessibleInBothSchemes(chat.page, 'the start page');
  await chat.createRoom();
  await assertAccessibleInBothSchemes(chat.page, 'an empty room');
  await chat.send('Hello');
  await chat.send('to be deleted');
  const other = await enter(chat);
  await other.send('Hello back');
  await chat.waitForTexts('Hello', 'to be deleted', 'Hello back');
  await chat.choose('to be deleted', 'Delete');
  await assertAccessibleInBothSchemes(chat.page, 'the dialog of a deletion');
  await chat.confirm('Delete');
  await chat.waitForTexts('Hello', 'Message deleted', 'Hello back');
  await chat.page.getByText('Hello', { exact: true }).hover();
  await assertAccessibleInBothSchemes(chat.page, 'a room');
  await chat.page.getByRole('button', { name: 'Invite people' }).click();
  await assertAccessibleInBothSchemes(chat.page, 'the dialog of the link');
  await chat.page.keyboard.press('Escape');
  await chat.context.setOffline(true);
  await chat.page.getByText('You are offline').waitFor();
  await chat.submit('later');
  await assertAccessibleInBothSchemes(chat.page, 'offline');
  await other.close();
  await chat.close();
});

for (const [device, options] of [['a desktop', {}], ['a phone', PHONE]]) {
  test(`axe-core finds no violation in what owners and members see on ${device}`, async () => {
    const owner = await chats.open({ ...options, colorScheme: 'light', reducedMotion: 'reduce' });
    await owner.createRoom();
    await owner.setName('Ada');
    const member = await enter(owner, { ...options, colorScheme: 'light', reducedMotion: 'reduce' });
    await member.setName('Grace');
    await member.send('Hello');
    await owner.waitForTexts('Hello');
    const check = (chat, what) => assertAccessibleInBothSchemes(chat.page, what);
    const settings = async () => {
      await owner.page.getByRole('button', { name: 'Room settings' }).click();
      return owner.page.getByRole('dialog', { name: 'Room settings' });
    };

    await owner.clickButtonOf('Hello', 'More');
    await check(owner, 'the menu of a message');
    await owner.page.keyboard.press('Escape');
    if (options === PHONE) await owner.choose('Hello', 'React');
    else await owner.clickButtonOf('Hello', 'React');
    await check(owner, 'the panel of emoji');
    await owner.page.getByRole('button', { name: 'Heart' }).click();
    if (options === PHONE) await owner.choose('Hello', 'Reply');
    else await owner.clickButtonOf('Hello', 'Reply');
    await whileTyping(member, async () => {
      await owner.waitUntilShown('typing', /^Grace is typing…$/);
      await check(owner, 'a room with a reaction, a reply being written and somebody typing');
    });
    await owner.send('Good day');
    await member.waitForTexts('Hello', 'Good day');
    await check(member, 'a reply');
    if (options === PHONE) await owner.page.getByRole('button', { name: 'here now' }).click();
    await owner.page.getByRole('button', { name: 'More about Grace' }).waitFor();
    await check(owner, 'the list of people');
    if (options === PHONE) await owner.page.keyboard.press('Escape');

    await (await settings()).getByLabel('Slow mode').selectOption('300');
    await check(owner, 'the settings');
    await owner.confirm('Save');
    await member.page.getByText('Slow mode: you can send again').waitFor();
    await check(member, 'a room in slow mode');
    await (await settings()).getByLabel('Lock the room').check();
    await owner.confirm('Save');
    await member.page.locator('.access', { hasText: 'locked this room' }).waitFor();
    await check(member, 'a locked room');
    await owner.choose('Hello', 'Remove message');
    await check(owner, 'the confirmation of a removal');
    await owner.confirm('Cancel');
    await owner.choose('Hello', 'Ban Grace');
    await check(owner, 'the dialog of a ban');
    await owner.page.getByLabel('Reason').fill('too many greetings');
    await owner.confirm('Ban');
    await member.page.locator('.access', { hasText: 'banned you' }).waitFor();
    await check(member, 'a room from which the user is banned');
    const dialog = await settings();
    await dialog.getByText('Banned people').click();
    await dialog.getByText('too many greetings').waitFor();
    await check(owner, 'the list of bans');
    await dialog.getByRole('button', { name: 'End the room' }).click();
    await check(owner, 'the confirmation of the end');
    await owner.page.getByRole('dialog', { name: 'End this room?' }).getByRole('button', { name: 'End the room' }).click();
    await member.page.locator('.banner', { hasText: 'has ended this room' }).waitFor();
    await check(member, 'a room that has ended');
    await owner.close();
    await member.close();
  });
}

test('everything works with the keyboard alone', async () => {
  const chat = await chats.open();
  const { keyboard } = chat.page;
  await keyboard.press('Tab');
  await chat.waitForFocus('Create a room');
  await keyboard.press('Enter');
  await chat.waitUntilLive();

  await chat.waitForFocus('Message');
  await keyboard.press('Shift+Tab');
  await chat.waitForFocus('Join');
  await keyboard.press('Shift+Tab');
  await keyboard.press('Control+A');
  await keyboard.type('Ada');
  await keyboard.press('Enter');
  await chat.waitForFocus('Message');
  await chat.page.getByText('You are Ada').waitFor();
  await keyboard.type('two');
  await keyboard.press('Shift+Enter');
  await keyboard.type('lines');
  await keyboard.press('Enter');
  await chat.waitForTexts('two\nlines');

  await keyboard.press('ArrowUp');
  await chat.waitForFocus('Edit your message');
  await keyboard.type(', mended');
  await keyboard.press('Enter');
  await chat.waitForTexts('two\nlines, mended');
  await chat.waitForFocus('Message');
  await keyboard.press('ArrowUp');
  await chat.waitForFocus('Edit your message');
  await keyboard.type('never mind');
  await keyboard.press('Escape');
  await chat.waitForTexts('two\nlines, mended');

  await keyboard.press('Shift+Tab');
  await chat.waitForFocus('More');
  await keyboard.press('Enter');
  await chat.waitForFocus('Edit');
  await keyboard.press('Escape');
  await chat.waitForFocus('More');
  await keyboard.press('Enter');
  await chat.waitForFocus('Edit');
  await keyboard.press('ArrowDown');
  await chat.waitForFocus('Delete');
  await keyboard.press('Enter');
  await chat.page.getByRole('dialog', { name: 'Delete this message?' }).waitFor();
  await keyboard.press('Escape');
  await chat.waitForFocus('More');
  await keyboard.press('Enter');
  await chat.waitForFocus('Edit');
  await keyboard.press('End');
  await keyboard.press('Enter');
  await chat.page.getByRole('dialog').waitFor();
  await keyboard.press('Enter');
  await chat.waitForTexts('Message deleted');
  await chat.waitForFocus('Message');
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

/** Fails if a button is too small for a finger. */
async function assertTouchable(chat) {
  const sizes = await chat.page.getByRole('button').evaluateAll((buttons) =>
    buttons.map((button) => {
      const { width, height } = button.getBoundingClientRect();
      return { label: button.getAttribute('aria-label'), width, height };
    }),
  );
  assert.ok(sizes.length > 0);
  for (const { label, width, height } of sizes) assert.ok(Math.min(width, height) >= 36, `${label} is ${width} x ${height}`);
}

test('everything fits and works on a phone', async () => {
  const chat = await enterNew(PHONE);
  await chat.send(`${'a long text '.repeat(20)}${'x'.repeat(300)}`);
  const isNarrow = () => chat.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  assert.ok(await isNarrow(), 'no horizontal scrolling');
  const field = await chat.page.getByLabel('Message', { exact: true }).boundingBox();
  assert.ok(field.y + field.height <= 844, 'the field is on the screen');
  await assertTouchable(chat);

  await chat.choose('a long text', 'React');
  await chat.page.getByRole('button', { name: 'Thumbs up' }).tap();
  await chat.page.getByRole('button', { name: '👍, 1 reaction' }).waitFor();
  await assertTouchable(chat);

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
  await ada.page.getByRole('button', { name: 'Room settings' }).click();
  await ada.page.getByLabel('Title').fill('Analytical reading circle');
  await ada.confirm('Save');
  await grace.send('Good morning! The train is late, I am with you in ten minutes.');
  await edsger.send('No hurry. We have 24 hours, and then this room forgets us.');
  await ada.send('Here are the notes so far:\n1. numbers can stand for music\n2. the engine does not care');
  await grace.clickButtonOf('Here are the notes', 'Reply');
  await grace.send('I lost the network in a tunnel, and got this when it came back. Thank you!');
  for (const [chat, emoji] of [[edsger, 'Heart'], [grace, 'Heart'], [ada, 'Party']]) {
    const text = chat === ada ? 'I lost the network' : 'Here are the notes';
    await chat.clickButtonOf(text, 'React');
    await chat.page.getByRole('button', { name: emoji }).click();
  }
  await edsger.send('Hm');
  await edsger.choose('Hm', 'Delete');
  await edsger.confirm('Delete');
  await ada.send('See you in a minute.');
  await ada.page.getByRole('button', { name: '❤️, 2 reactions' }).waitFor();
  await ada.page.locator('.viewer-count', { hasText: '3 here now' }).waitFor();
  await grace.page.getByLabel('Message', { exact: true }).pressSequentially('…');
  await ada.page.getByText('Grace Hopper is typing…').waitFor();
  const path = new URL('../../docs/pictures/chat.png', import.meta.url).pathname;
  await ada.page.screenshot({ path });
  for (const chat of [ada, grace, edsger]) await chat.close();
});
