// What the chat page shows of days and names: under a clock that is set, in time zones with summer time.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { createRoom } from './support/author.js';
import { openBrowser } from './support/browser.js';
import { openChat } from './support/chat_page.js';
import { importFromPage } from './support/page_module.js';
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

const headings = ({ page }) => page.locator('.day').allTextContents();

/** Waits until these days stand above the messages. */
async function showsDays(chat, ...days) {
  let seen;
  const isSo = async () => (seen = await headings(chat)).join() === days.join();
  await until(isSo, () => `Wanted ${days}, seen ${seen}`);
}

/**
 * Enters a room in a browser with this time zone, whose clock is set. The messages that the server gives are of `sent`, and
 * there are no more.
 */
async function enterAt(now, timezoneId, sent) {
  const room = await createRoom(server.graphql);
  for (const moment of sent) await room.send(`of ${moment}`);
  const prepare = async (page) => {
    await page.clock.install({ time: new Date(now) });
    await page.route('**/graphql', async (route) => {
      // What the page asks for every few seconds is as it is.
      if (!route.request().postData().includes('messages(')) return route.continue();
      const response = await route.fetch();
      const answer = await response.json();
      const nodes = answer.data?.room?.messages?.nodes ?? [];
      nodes.forEach((message, at) => (message.createdAt = new Date(sent[at]).toISOString()));
      await route.fulfill({ response, json: answer });
    });
  };
  const fragment = `#${room.place.roomId}/${room.place.roomCode}`;
  const chat = await openChat(browser, server.url, { fragment, prepare, timezoneId, locale: 'en-GB' });
  await chat.isIn();
  return chat;
}

test('at midnight, Today becomes Yesterday without a new message', async () => {
  const chat = await enterAt('2026-11-27T23:58:30Z', 'UTC', ['2026-11-26T12:00:00Z', '2026-11-27T12:00:00Z']);
  assert.deepEqual(await headings(chat), ['Yesterday', 'Today']);
  await chat.page.clock.runFor(60_000);
  assert.deepEqual(await headings(chat), ['Yesterday', 'Today'], 'not before');
  await chat.page.clock.runFor(31_000);
  await showsDays(chat, 'Thursday 26 November', 'Yesterday');
  // And so on, day after day.
  await chat.page.clock.fastForward(24 * 3_600_000);
  await showsDays(chat, 'Thursday 26 November', 'Friday 27 November');
  await chat.close();
});

test('a computer that slept over midnight shows the right day when it is looked at', async () => {
  const chat = await enterAt('2026-11-27T22:00:00Z', 'UTC', ['2026-11-27T12:00:00Z']);
  assert.deepEqual(await headings(chat), ['Today']);
  // The clock has gone on, and no timer has.
  await chat.page.clock.setSystemTime(new Date('2026-11-28T07:00:00Z'));
  await chat.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await chat.page.clock.runFor(100);
  await showsDays(chat, 'Yesterday');
  await chat.close();
});

for (const [what, now, timezoneId, sent, names] of [
  ['of 25 hours, late', '2026-11-01T23:30:00-05:00', 'America/New_York', ['2026-10-31T12:00:00-04:00', '2026-11-01T00:30:00-04:00'], ['Yesterday', 'Today']],
  ['after one of 25 hours, early', '2026-11-02T00:15:00-05:00', 'America/New_York', ['2026-10-31T23:45:00-04:00', '2026-11-01T00:10:00-04:00'], ['Saturday 31 October', 'Yesterday']],
  ['after one of 23 hours, early', '2026-03-09T00:15:00-04:00', 'America/New_York', ['2026-03-07T23:45:00-05:00', '2026-03-08T12:00:00-04:00'], ['Saturday 7 March', 'Yesterday']],
  ['that has no midnight', '2026-09-06T02:00:00-03:00', 'America/Santiago', ['2026-09-05T23:30:00-04:00', '2026-09-06T01:10:00-03:00'], ['Yesterday', 'Today']],
  ['after one that has 25 hours because midnight comes twice', '2026-04-05T00:20:00-04:00', 'America/Santiago', ['2026-04-03T12:00:00-03:00', '2026-04-04T23:30:00-04:00'], ['Friday 3 April', 'Yesterday']],
]) {
  test(`on a day ${what}, days have their right names`, async () => {
    const chat = await enterAt(now, timezoneId, sent);
    assert.deepEqual(await headings(chat), names);
    await chat.close();
  });
}

test('at the end of a day of 25 or of 23 hours, Today becomes Yesterday at midnight', async () => {
  for (const [now, timezoneId, sent] of [
    ['2026-10-25T23:58:30+01:00', 'Europe/Berlin', '2026-10-25T00:30:00+02:00'],
    ['2026-03-29T23:58:30+02:00', 'Europe/Berlin', '2026-03-29T00:30:00+01:00'],
    ['2026-09-05T23:58:30-04:00', 'America/Santiago', '2026-09-05T12:00:00-04:00'],
  ]) {
    const chat = await enterAt(now, timezoneId, [sent]);
    await chat.page.clock.runFor(60_000);
    assert.deepEqual(await headings(chat), ['Today'], now);
    await chat.page.clock.runFor(31_000);
    await showsDays(chat, 'Yesterday');
    await chat.close();
  }
});

test('initials are what people count as letters', async () => {
  const { initials } = await importFromPage('names.js');
  const { Segmenter } = Intl;
  for (const segmenter of [Segmenter, undefined]) {
    Intl.Segmenter = segmenter;
    try {
      for (const [name, letters] of [
        ['Ada Lovelace', 'AL'],
        ['ada', 'A'],
        ['Grace Brewster Murray Hopper', 'GH'],
        ['e\u0301mile zola', 'E\u0301Z'],
        ['👨‍👩‍👧‍👦 family', '👨‍👩‍👧‍👦F'],
        ['👍🏽', '👍🏽'],
        ['🧑🏽‍💻 coder', '🧑🏽‍💻C'],
        ['🇩🇪 🇫🇷', '🇩🇪🇫🇷'],
        ['🏴󠁧󠁢󠁳󠁣󠁴󠁿', '🏴󠁧󠁢󠁳󠁣󠁴󠁿'],
        ['❤️ love', '❤️L'],
        ['1️⃣ one', '1️⃣O'],
        ['\u200bada', 'A'],
        ['\u200fאדה', 'א'],
        ['ß', 'ß'],
        ['  Ada   Lovelace ', 'AL'],
        ['', ''],
      ]) {
        assert.equal(initials(name), letters, `${JSON.stringify(name)} ${segmenter ? 'with' : 'without'} Intl.Segmenter`);
      }
    } finally {
      Intl.Segmenter = Segmenter;
    }
  }
});

test('a whole family is shown beside its messages and in the list of people', async () => {
  const room = await createRoom(server.graphql);
  const fragment = `#${room.place.roomId}/${room.place.roomCode}`;
  const family = await openChat(browser, server.url, { fragment });
  await family.isIn();
  await family.callMyself('👨‍👩‍👧‍👦');
  await family.send('we are here');
  const other = await openChat(browser, server.url, { fragment });
  await other.shows('we are here');
  assert.deepEqual(await other.page.locator('.log .face').allTextContents(), ['👨‍👩‍👧‍👦']);
  assert.deepEqual(await other.page.locator('.chatters .face').allTextContents(), ['👨‍👩‍👧‍👦']);
  await family.close();
  await other.close();
});
