// Days and initials on the chat page, with a fixed clock, also in time zones with daylight saving time.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createRoom } from './support/author.js';
import { useChat } from './support/chat_fixture.js';
import { importFromPage } from './support/page_module.js';
import { startServer } from './support/server.js';
import { until } from './support/until.js';

const chats = useChat();

const headings = ({ page }) => page.locator('.day').allTextContents();

/** Waits until these days are shown above the messages. */
async function waitForDays(chat, ...days) {
  let shown;
  const areShown = async () => (shown = await headings(chat)).join() === days.join();
  await until(areShown, () => `Expected ${days}, shown ${shown}`);
}

/** Enters a room in a browser with this clock and time zone. The room has one message for each time in `sent`. */
async function enterAt(now, timezoneId, sent) {
  const room = await createRoom(chats.server.graphql);
  for (const time of sent) await room.send(`of ${time}`);
  const prepare = async (page) => {
    await page.clock.install({ time: new Date(now) });
    await page.route('**/graphql', async (route) => {
      // Only responses with messages are changed.
      if (!route.request().postData().includes('messages(')) return route.continue();
      const response = await route.fetch();
      const answer = await response.json();
      const nodes = answer.data?.room?.messages?.nodes ?? [];
      nodes.forEach((message, at) => (message.createdAt = new Date(sent[at]).toISOString()));
      await route.fulfill({ response, json: answer });
    });
  };
  return chats.enter(room, { prepare, timezoneId, locale: 'en-GB' });
}

/** Lets the next midnight pass. One second before it, when the clock stands still, these days must still be shown. */
async function passMidnight({ page }, midnight, ...days) {
  await page.clock.pauseAt(midnight - 1_000);
  await page.clock.runFor(500);
  assert.deepEqual(await headings({ page }), days, 'not before midnight');
  await page.clock.resume();
}

test('at midnight, Today becomes Yesterday without a new message', async () => {
  const chat = await enterAt('2026-11-27T23:00:00Z', 'UTC', ['2026-11-26T12:00:00Z', '2026-11-27T12:00:00Z']);
  await waitForDays(chat, 'Yesterday', 'Today');
  await passMidnight(chat, Date.parse('2026-11-28T00:00:00Z'), 'Yesterday', 'Today');
  await waitForDays(chat, 'Thursday 26 November', 'Yesterday');
  // The same happens on the next day.
  await chat.page.clock.fastForward(24 * 3_600_000);
  await waitForDays(chat, 'Thursday 26 November', 'Friday 27 November');
  await chat.close();
});

test('after sleeping over midnight, the page shows the right day once it is visible', async () => {
  const chat = await enterAt('2026-11-27T22:00:00Z', 'UTC', ['2026-11-27T12:00:00Z']);
  await waitForDays(chat, 'Today');
  // The clock advances, but timers do not fire.
  await chat.page.clock.setSystemTime(new Date('2026-11-28T07:00:00Z'));
  await chat.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await chat.page.clock.runFor(100);
  await waitForDays(chat, 'Yesterday');
  await chat.close();
});

for (const [what, now, timezoneId, sent, names] of [
  ['of 25 hours, late', '2026-11-01T23:30:00-05:00', 'America/New_York', ['2026-10-31T12:00:00-04:00', '2026-11-01T00:30:00-04:00'], ['Yesterday', 'Today']],
  ['after one of 25 hours, early', '2026-11-02T00:15:00-05:00', 'America/New_York', ['2026-10-31T23:45:00-04:00', '2026-11-01T00:10:00-04:00'], ['Saturday 31 October', 'Yesterday']],
  ['after one of 23 hours, early', '2026-03-09T00:15:00-04:00', 'America/New_York', ['2026-03-07T23:45:00-05:00', '2026-03-08T12:00:00-04:00'], ['Saturday 7 March', 'Yesterday']],
  ['that has no midnight', '2026-09-06T02:00:00-03:00', 'America/Santiago', ['2026-09-05T23:30:00-04:00', '2026-09-06T01:10:00-03:00'], ['Yesterday', 'Today']],
  ['after one that has 25 hours because midnight comes twice', '2026-04-05T00:20:00-04:00', 'America/Santiago', ['2026-04-03T12:00:00-03:00', '2026-04-04T23:30:00-04:00'], ['Friday 3 April', 'Yesterday']],
]) {
  test(`on a day ${what}, days have the right names`, async () => {
    const chat = await enterAt(now, timezoneId, sent);
    await waitForDays(chat, ...names);
    await chat.close();
  });
}

test('at the end of a day of 25 or of 23 hours, Today becomes Yesterday at midnight', async () => {
  for (const [now, timezoneId, sent] of [
    ['2026-10-25T23:00:00+01:00', 'Europe/Berlin', '2026-10-25T00:30:00+02:00'],
    ['2026-03-29T23:00:00+02:00', 'Europe/Berlin', '2026-03-29T00:30:00+01:00'],
    ['2026-09-05T23:00:00-04:00', 'America/Santiago', '2026-09-05T12:00:00-04:00'],
  ]) {
    const chat = await enterAt(now, timezoneId, [sent]);
    await waitForDays(chat, 'Today');
    await passMidnight(chat, Date.parse(now) + 3_600_000, 'Today');
    await waitForDays(chat, 'Yesterday');
    await chat.close();
  }
});

test('the page says how long rooms of this server last', async () => {
  const server = await startServer({ ROOM_TTL: '90m' });
  try {
    const start = await chats.open({ url: server.url });
    await start.page.getByRole('heading', { name: 'A chat room for 90 minutes.' }).waitFor();
    await start.page.getByText('After 90 minutes the room and everything in it are deleted.').waitFor();
    await start.close();
    const missing = await chats.open({ url: server.url, fragment: `#${'0'.repeat(32)}/123456` });
    await missing.page.getByText('This room has ended or does not exist. Rooms last 90 minutes.').waitFor();
    await missing.close();
  } finally {
    await server.stop();
  }
});

test('the life of a room is shown in the largest unit that leaves no rest', async () => {
  const { spanOf } = await importFromPage('time.js');
  for (const [seconds, words] of [
    [1, '1 second'],
    [90, '90 seconds'],
    [3_600, '60 minutes'],
    [5_400, '90 minutes'],
    [86_400, '24 hours'],
    [90_000, '25 hours'],
    [604_800, '7 days'],
  ]) {
    assert.equal(spanOf(seconds), words);
  }
});

test('initials are graphemes', async () => {
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

test('an emoji of a family is one initial, next to messages and in the list of people', async () => {
  const { room, chat: family } = await chats.enterNewRoom();
  await family.setName('👨‍👩‍👧‍👦');
  await family.send('we are here');
  const other = await chats.enter(room);
  await other.waitForTexts('we are here');
  assert.deepEqual(await other.page.locator('.log .avatar').allTextContents(), ['👨‍👩‍👧‍👦']);
  assert.deepEqual(await other.page.locator('.chatters .avatar').allTextContents(), ['👨‍👩‍👧‍👦']);
  await family.close();
  await other.close();
});
