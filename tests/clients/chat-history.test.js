// The chat page in a long room: history comes in where somebody reads, and nobody is torn away.

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

const enter = ({ place }) => openChat(browser, server.url, { fragment: `#${place.roomId}/${place.roomCode}` });

test('history comes in while scrolling up, and what is read stays where it is', async () => {
  const room = await createRoom(server.graphql);
  for (let number = 0; number < 360; number += 1) await room.send(`message ${number}`);
  const chat = await enter(room);
  await chat.isIn();
  const log = chat.page.getByRole('log');
  const numbers = async () => (await chat.texts()).map((text) => Number(text.split(' ')[1]));
  const isWhole = (all) => all.every((number, at) => at === 0 || number === all[at - 1] + 1);
  assert.equal((await numbers()).at(-1), 359);

  let moved = 0;
  while (!(await numbers()).includes(0)) {
    const lowest = (await numbers())[0];
    const place = await log.evaluate((log) => {
      log.scrollTop = 300;
      const { top } = log.getBoundingClientRect();
      const text = [...log.querySelectorAll('.text')].find((text) => text.getBoundingClientRect().top > top);
      return { text: text.textContent, top: text.getBoundingClientRect().top };
    });
    await until(async () => (await numbers())[0] < lowest);
    const { y } = await chat.page.getByText(place.text, { exact: true }).boundingBox();
    assert.ok(Math.abs(y - place.top) < 3, `${place.text} was at ${place.top} and is at ${y}`);
    assert.ok(isWhole(await numbers()), 'nothing is missing in between');
    assert.ok((await numbers()).length <= 300, 'the page does not grow without bound');
    moved += 1;
  }
  assert.ok(moved >= 4);
  await chat.page.getByText('This is where the room begins.').waitFor();

  // Somebody who reads what was long ago is not torn away from it.
  await room.send('message 360');
  await chat.page.getByRole('button', { name: '1 new message' }).waitFor();
  assert.ok((await numbers()).includes(0));
  await log.evaluate((log) => (log.scrollTop = log.scrollHeight));
  await until(async () => {
    await log.evaluate((log) => (log.scrollTop = log.scrollHeight));
    return (await numbers()).at(-1) === 360;
  });
  assert.ok(isWhole(await numbers()));
  assert.ok((await numbers()).length <= 300);
  await chat.close();
});

test('who waits at the very top for what was before keeps their place when it comes', async () => {
  const room = await createRoom(server.graphql);
  for (let number = 0; number < 120; number += 1) await room.send(`message ${number}`);
  const chat = await enter(room);
  await chat.isIn();
  let answer;
  const allowed = new Promise((resolve) => (answer = resolve));
  await chat.page.route('**/graphql', async (route) => {
    if (route.request().postData()?.includes('before')) await allowed;
    await route.continue();
  });
  const log = chat.page.getByRole('log');
  await log.evaluate((log) => (log.scrollTop = 0));
  // The first message may lose its head, and the day moves away from it.
  const second = chat.page.getByText('message 71', { exact: true });
  const { y } = await second.boundingBox();
  answer();
  await until(async () => (await chat.texts())[0] === 'message 20');
  const moved = (await second.boundingBox()).y - y;
  assert.ok(Math.abs(moved) < 3, `it moved by ${moved}`);
  await chat.close();
});

test('who is not at the end is told of new messages and can go there', async () => {
  const room = await createRoom(server.graphql);
  for (let number = 0; number < 40; number += 1) await room.send(`message ${number}`);
  const chat = await enter(room);
  await chat.isIn();
  await chat.page.getByRole('log').evaluate((log) => (log.scrollTop = 0));
  await chat.page.getByRole('button', { name: 'Latest messages' }).waitFor();
  await room.send('one more');
  await room.send('and another');
  await chat.page.getByRole('button', { name: '2 new messages' }).click();
  await chat.page.getByText('and another', { exact: true }).waitFor();
  const isAtEnd = ({ scrollTop, scrollHeight, clientHeight }) => scrollHeight - clientHeight - scrollTop < 3;
  assert.ok(await chat.page.getByRole('log').evaluate(isAtEnd));
  await chat.close();
});
