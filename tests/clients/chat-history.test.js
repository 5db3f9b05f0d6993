// The chat page with a long history: earlier messages load while scrolling, and the visible messages do not move.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { createRoom } from './support/author.js';
import { useChat } from './support/chat_fixture.js';
import { until } from './support/until.js';

const chats = useChat();

test('scrolling up loads earlier messages, and the visible ones do not move', async () => {
  const room = await createRoom(chats.server.graphql);
  for (let number = 0; number < 360; number += 1) await room.send(`message ${number}`);
  const chat = await chats.enter(room);
  const log = chat.page.getByRole('log');
  const numbers = async () => (await chat.texts()).map((text) => Number(text.split(' ')[1]));
  const isContiguous = (all) => all.every((number, at) => at === 0 || number === all[at - 1] + 1);
  await until(async () => (await numbers()).at(-1) === 359);

  let steps = 0;
  while (!(await numbers()).includes(0)) {
    const lowest = (await numbers())[0];
    const anchor = await log.evaluate((log) => {
      log.scrollTop = 300;
      const { top } = log.getBoundingClientRect();
      const text = [...log.querySelectorAll('.text')].find((text) => text.getBoundingClientRect().top > top);
      return { text: text.textContent, top: text.getBoundingClientRect().top };
    });
    await until(async () => (await numbers())[0] < lowest);
    const { y } = await chat.page.getByText(anchor.text, { exact: true }).boundingBox();
    assert.ok(Math.abs(y - anchor.top) < 3, `${anchor.text} was at ${anchor.top} and is at ${y}`);
    assert.ok(isContiguous(await numbers()), 'no message is missing in between');
    assert.ok((await numbers()).length <= 300, 'the number of rows is limited');
    steps += 1;
  }
  assert.ok(steps >= 4);
  await chat.page.getByText('This is the start of the room.').waitFor();

  // A new message does not scroll the page away from old ones.
  await room.send('message 360');
  await chat.page.getByRole('button', { name: '1 new message' }).waitFor();
  assert.ok((await numbers()).includes(0));
  await until(async () => {
    await log.evaluate((log) => (log.scrollTop = log.scrollHeight));
    return (await numbers()).at(-1) === 360;
  });
  assert.ok(isContiguous(await numbers()));
  assert.ok((await numbers()).length <= 300);
  await chat.close();
});

test('when earlier messages load at the very top, the visible ones do not move', async () => {
  const room = await createRoom(chats.server.graphql);
  for (let number = 0; number < 120; number += 1) await room.send(`message ${number}`);
  const chat = await chats.enter(room);
  let release;
  const released = new Promise((resolve) => (release = resolve));
  await chat.page.route('**/graphql', async (route) => {
    if (route.request().postData()?.includes('before')) await released;
    await route.continue();
  });
  const log = chat.page.getByRole('log');
  await log.evaluate((log) => (log.scrollTop = 0));
  // The first message may lose its name and the day above it, so the second one is measured.
  const second = chat.page.getByText('message 71', { exact: true });
  const { y } = await second.boundingBox();
  release();
  await until(async () => (await chat.texts())[0] === 'message 20');
  const moved = (await second.boundingBox()).y - y;
  assert.ok(Math.abs(moved) < 3, `it moved by ${moved}`);
  await chat.close();
});

test('a button shows the number of new messages and scrolls to the end', async () => {
  const room = await createRoom(chats.server.graphql);
  for (let number = 0; number < 40; number += 1) await room.send(`message ${number}`);
  const chat = await chats.enter(room);
  await chat.page.getByRole('log').evaluate((log) => (log.scrollTop = 0));
  await chat.page.getByRole('button', { name: 'Latest messages' }).waitFor();
  await room.send('one more');
  await room.send('and another');
  await chat.page.getByRole('button', { name: '2 new messages' }).click();
  await chat.page.getByText('and another', { exact: true }).waitFor();
  const isAtEnd = ({ scrollTop, scrollHeight, clientHeight }) => scrollHeight - clientHeight - scrollTop < 3;
  await until(() => chat.page.getByRole('log').evaluate(isAtEnd));
  await chat.close();
});
