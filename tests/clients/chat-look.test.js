// The chat page for everybody: by keyboard, with a screen reader, on a phone, in light and dark.
//
// With PICTURES=1 it also writes the picture of the README.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { openBrowser } from './support/browser.js';
import { openChat } from './support/chat_page.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const AXE = await readFile(new URL('node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

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

async function enterNew(options) {
  const chat = await openChat(browser, server.url, options);
  await chat.createRoom();
  return chat;
}

async function enter({ fragment }, options) {
  const chat = await openChat(browser, server.url, { ...options, fragment });
  await chat.isIn();
  return chat;
}

/** What axe-core finds wrong with the page as it is now. */
async function complaints({ page }) {
  // Evaluated by the debugger, for which the page's policy does not hold.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
}

for (const colorScheme of ['light', 'dark']) {
  test(`axe-core finds nothing wrong, ${colorScheme}`, async () => {
    const chat = await openChat(browser, server.url, { colorScheme, reducedMotion: 'reduce' });
    assert.deepEqual(await complaints(chat), [], 'the start page');
    await chat.createRoom();
    assert.deepEqual(await complaints(chat), [], 'an empty room');
    await chat.send('Hello');
    await chat.send('to be deleted');
    const other = await enter(chat);
    await other.send('Hello back');
    await chat.shows('Hello', 'to be deleted', 'Hello back');
    await chat.act('to be deleted', 'Delete');
    assert.deepEqual(await complaints(chat), [], 'a question');
    await chat.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await chat.shows('Hello', 'Message deleted', 'Hello back');
    await chat.page.getByText('Hello', { exact: true }).hover();
    assert.deepEqual(await complaints(chat), [], 'a room');
    await chat.page.getByRole('button', { name: 'Invite people' }).click();
    assert.deepEqual(await complaints(chat), [], 'sharing');
    await chat.page.keyboard.press('Escape');
    await chat.context.setOffline(true);
    await chat.page.getByText('You are offline').waitFor();
    await chat.type('later');
    assert.deepEqual(await complaints(chat), [], 'without a connection');
    await other.close();
    await chat.close();
  });
}

test('everything works by keyboard alone', async () => {
  const chat = await openChat(browser, server.url);
  const { keyboard } = chat.page;
  const focused = () => chat.page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent);
  await keyboard.press('Tab');
  assert.equal(await focused(), 'Create a room');
  await keyboard.press('Enter');
  await chat.isIn();

  assert.equal(await focused(), 'Message', 'one can write at once');
  await keyboard.press('Shift+Tab');
  await keyboard.press('Control+A');
  await keyboard.type('Ada');
  await keyboard.press('Enter');
  assert.equal(await focused(), 'Message');
  await keyboard.type('two');
  await keyboard.press('Shift+Enter');
  await keyboard.type('lines');
  await keyboard.press('Enter');
  await chat.shows('two\nlines');
  await chat.page.getByText('You are Ada').waitFor();

  await keyboard.press('ArrowUp');
  await until(async () => (await focused()) === 'Edit your message');
  await keyboard.type(', mended');
  await keyboard.press('Enter');
  await chat.shows('two\nlines, mended');
  assert.equal(await focused(), 'Message');
  await keyboard.press('ArrowUp');
  await until(async () => (await focused()) === 'Edit your message');
  await keyboard.type('never mind');
  await keyboard.press('Escape');
  await chat.shows('two\nlines, mended');

  await keyboard.press('Shift+Tab');
  assert.equal(await focused(), 'Delete');
  await keyboard.press('Enter');
  await chat.page.getByRole('dialog', { name: 'Delete this message?' }).waitFor();
  await keyboard.press('Escape');
  assert.equal(await focused(), 'Delete', 'the focus is where it was');
  await keyboard.press('Enter');
  await chat.page.getByRole('dialog').waitFor();
  await keyboard.press('Enter');
  await chat.shows('Message deleted');
  assert.equal(await focused(), 'Message');
  await chat.close();
});

test('a screen reader hears what others say, and not what was said before', async () => {
  const ada = await enterNew();
  await ada.callMyself('Ada');
  await ada.send('said before');
  const grace = await enter(ada);
  await grace.shows('said before');
  const announced = () => grace.page.locator('#announcer').textContent();
  assert.equal(await announced(), '');
  await ada.send('said now');
  await until(async () => (await announced()) === 'Ada: said now');
  const log = grace.page.getByRole('log', { name: 'Messages' });
  assert.equal(await log.getAttribute('aria-live'), 'off', 'scrolling up reads nothing aloud');
  await ada.close();
  await grace.close();
});

test('on a phone everything is in reach', async () => {
  const chat = await enterNew(PHONE);
  await chat.send(`${'a long text '.repeat(20)}${'x'.repeat(300)}`);
  const isNarrow = () => chat.page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
  assert.ok(await isNarrow(), 'nothing has to be scrolled sideways');
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

  // Enter on a touch keyboard begins a new line.
  await chat.page.getByLabel('Message', { exact: true }).tap();
  await chat.page.keyboard.type('one');
  await chat.page.keyboard.press('Enter');
  await chat.page.keyboard.type('two');
  assert.equal(await chat.page.getByLabel('Message', { exact: true }).inputValue(), 'one\ntwo');

  await chat.page.setViewportSize({ width: 320, height: 400 });
  assert.ok(await isNarrow(), 'nor when everything is twice as large');
  await chat.close();
});

test('a picture for the README', { skip: !process.env.PICTURES && 'only when asked for' }, async () => {
  const ada = await enterNew({ viewport: { width: 1120, height: 760 } });
  const grace = await enter(ada);
  const edsger = await enter(ada);
  await ada.callMyself('Ada Lovelace');
  await grace.callMyself('Grace Hopper');
  await edsger.callMyself('Edsger Dijkstra');
  await grace.send('Good morning! The train is late, I am with you in ten minutes.');
  await edsger.send('No hurry. We have 24 hours, and then this room forgets us.');
  await ada.send('Here are the notes so far:\n1. numbers can stand for music\n2. the engine does not care');
  await ada.send('Did I miss anything?');
  await grace.send('Just lost the network in a tunnel, and got everything when it came back.');
  await edsger.send('Hm');
  await edsger.act('Hm', 'Delete');
  await edsger.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await grace.send('See you in a minute.');
  await until(async () => (await ada.texts()).at(-1) === 'See you in a minute.');
  await ada.page.locator('.now', { hasText: '3 here now' }).waitFor();
  const path = new URL('../../docs/pictures/chat.png', import.meta.url).pathname;
  await ada.page.screenshot({ path });
  for (const chat of [ada, grace, edsger]) await chat.close();
});
