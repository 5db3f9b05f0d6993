// Reactions in the chat page.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { useChat } from './support/chat_fixture.js';
import { createOwnedRoom } from './support/owned_room.js';
import { until } from './support/until.js';

const chats = useChat();

async function openTwo() {
  const room = await createOwnedRoom(chats.server.graphql);
  const id = await room.send('hello');
  return { room, id, ada: await chats.enter(room), grace: await chats.enter(room) };
}

const chips = (chat) => chat.row('hello').locator('.chip');
const chipTexts = (chat) => chips(chat).evaluateAll((all) => all.map((chip) => `${chip.textContent}${chip.ariaPressed === 'true' ? ' mine' : ''}`));
const waitForChips = (chat, ...expected) =>
  until(async () => JSON.stringify(await chipTexts(chat)) === JSON.stringify(expected), () => `expected ${expected}`);

async function react(chat, name) {
  await chat.clickButtonOf('hello', 'React');
  await chat.page.getByRole('button', { name, exact: true }).click();
}

/** Answers requests for reactions with `handle(route)`. */
const interceptReactions = (chat, handle) =>
  chat.page.route('**/graphql', (route) => (/(add|remove)Reaction/.test(route.request().postData()) ? handle(route) : route.fallback()));

test('a reaction is counted for everybody, marked for those who share it, and can be taken back', async () => {
  const { ada, grace } = await openTwo();
  await react(ada, 'Thumbs up');
  await waitForChips(ada, '👍1 mine');
  await waitForChips(grace, '👍1');
  await chips(grace).click();
  await waitForChips(grace, '👍2 mine');
  await waitForChips(ada, '👍2 mine');
  await ada.page.reload();
  await ada.waitUntilLive();
  await waitForChips(ada, '👍2 mine');
  await chips(ada).click();
  await waitForChips(ada, '👍1');
  await waitForChips(grace, '👍1 mine');
  await chips(grace).click();
  for (const chat of [ada, grace]) {
    await waitForChips(chat);
    await chat.close();
  }
});

test('any emoji can be typed, and anything else is refused with the reason', async () => {
  const { ada, grace } = await openTwo();
  await ada.clickButtonOf('hello', 'React');
  const typed = ada.page.getByLabel('Another emoji');
  for (const text of ['x', '👍👍', '']) {
    await typed.fill(text);
    await typed.press('Enter');
    await ada.page.getByText('Enter one emoji.').waitFor();
  }
  await typed.fill('👩‍👩‍👧');
  await typed.press('Enter');
  await waitForChips(ada, '👩‍👩‍👧1 mine');
  await waitForChips(grace, '👩‍👩‍👧1');
  await ada.close();
  await grace.close();
});

test('a reaction is shown before the server has answered, and taken back if it is refused', async () => {
  const { ada, grace } = await openTwo();
  let answer;
  const requested = new Promise((resolve) => interceptReactions(ada, (route) => resolve((answer = route))));
  await react(ada, 'Heart');
  await requested;
  await waitForChips(ada, '❤️1 mine');
  assert.deepEqual(await chipTexts(grace), []);
  const errors = [{ message: 'too many kinds', extensions: { code: 'ROOM_FULL' } }];
  await answer.fulfill({ body: JSON.stringify({ data: null, errors }) });
  await waitForChips(ada);
  await ada.waitUntilShown('banner', /Reaction not saved: too many kinds/);
  await ada.close();
  await grace.close();
});

test('when a user changes its mind before the server has answered, the last wish counts', async () => {
  const { ada, grace } = await openTwo();
  let answer;
  const requested = new Promise((resolve) => {
    interceptReactions(ada, (route) => (answer ? route.fallback() : resolve((answer = route))));
  });
  await react(ada, 'Fire');
  await requested;
  await chips(ada).click();
  await waitForChips(ada);
  await answer.continue();
  await react(grace, 'Eyes');
  await waitForChips(ada, '👀1');
  await waitForChips(grace, '👀1 mine');
  await ada.close();
  await grace.close();
});

test('many reactions at once end in the right count', async () => {
  const { room, id, ada, grace } = await openTwo();
  const users = await Promise.all(Array.from({ length: 8 }, (_, number) => room.join(`user ${number}`)));
  await Promise.all([...users.map((user) => user.react(id, '🎉')), react(ada, 'Party')]);
  await waitForChips(ada, '🎉9 mine');
  await waitForChips(grace, '🎉9');
  await ada.close();
  await grace.close();
});

test('reactions work with the keyboard alone, which stays at the message', async () => {
  const { ada, grace } = await openTwo();
  const { keyboard } = ada.page;
  await ada.page.getByRole('log').focus();
  await keyboard.press('Tab');
  await ada.waitForFocus('React');
  await keyboard.press('Enter');
  await ada.waitForFocus('Thumbs up');
  await keyboard.press('Escape');
  await ada.waitForFocus('React');
  await keyboard.press('Enter');
  await keyboard.press('ArrowRight');
  await ada.waitForFocus('Heart');
  await keyboard.press('ArrowDown');
  await keyboard.press('ArrowUp');
  await keyboard.press('Enter');
  await waitForChips(grace, '❤️1');
  await waitForChips(ada, '❤️1 mine');
  await ada.waitForFocus('React');
  await keyboard.press('Tab');
  await keyboard.press('Tab');
  await ada.waitForFocus('❤️, 1 reaction');
  await keyboard.press('Enter');
  await waitForChips(grace);
  await ada.send('newer');
  await ada.page.getByRole('log').focus();
  await keyboard.press('Tab');
  await ada.waitForFocus('React');
  await keyboard.press('ArrowUp');
  await keyboard.press('Enter');
  await ada.waitForFocus('Thumbs up');
  await keyboard.press('Enter');
  await waitForChips(grace, '👍1');
  await ada.close();
  await grace.close();
});
