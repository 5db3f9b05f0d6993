// The owner of a room in the chat page: settings, removals, bans, and the end of the room.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { useChat } from './support/chat_fixture.js';
import { createOwnedRoom } from './support/owned_room.js';
import { until } from './support/until.js';

const chats = useChat();

/** Opens a new room for its owner and for another user. */
async function openTwo() {
  const ada = await chats.open();
  await ada.createRoom();
  await ada.setName('Ada');
  const grace = await chats.open({ fragment: ada.fragment });
  await grace.waitUntilLive();
  await grace.setName('Grace');
  return { ada, grace };
}

async function openSettings(chat) {
  await chat.page.getByRole('button', { name: 'Room settings' }).click();
  return chat.page.getByRole('dialog', { name: 'Room settings' });
}

async function ban(chat, text, fill = () => {}) {
  await chat.choose(text, /^Ban /);
  await fill(chat.page.getByRole('dialog'));
  await chat.confirm('Ban');
  await chat.page.getByRole('dialog').waitFor({ state: 'detached' });
}

const notice = (chat, text) => chat.page.locator('.access', { hasText: text });
const heading = (chat, name) => chat.page.getByRole('heading', { level: 1, name, exact: true });
const field = (chat) => chat.page.getByLabel('Message', { exact: true });

test('the owner sets the title, which everybody sees at once, and nobody else can', async () => {
  const { ada, grace } = await openTwo();
  const dialog = await openSettings(ada);
  await dialog.getByLabel('Title').fill('<b>Reading</b> circle');
  await ada.confirm('Save');
  await dialog.waitFor({ state: 'detached' });
  for (const chat of [ada, grace]) {
    await heading(chat, '<b>Reading</b> circle').waitFor();
    assert.equal(await chat.page.title(), '<b>Reading</b> circle · LiveChat');
  }
  assert.equal(await grace.page.getByRole('button', { name: 'Room settings' }).count(), 0);
  await grace.page.getByRole('link', { name: 'LiveChat' }).click();
  await grace.page.getByRole('link', { name: '<b>Reading</b> circle' }).waitFor();
  await ada.close();
  await grace.close();
});

test('the browser that created a room stays its owner, and no link or address contains the owner token', async () => {
  const ada = await chats.open();
  await ada.createRoom();
  const rooms = await ada.page.evaluate(() => JSON.parse(Object.entries(localStorage).find(([key]) => key.endsWith(':rooms'))[1]));
  const [{ ownerToken }] = Object.values(rooms);
  assert.match(ownerToken, /\S{16,}/);
  await ada.page.reload();
  await ada.waitUntilLive();
  await openSettings(ada);
  await ada.confirm('Cancel');
  await ada.page.getByRole('button', { name: 'Invite people' }).first().click();
  const link = await ada.page.getByLabel('Link to this room').inputValue();
  for (const text of [link, ada.page.url(), await ada.page.content()]) assert.ok(!text.includes(ownerToken));
  await ada.close();
});

test('only what the owner changes is sent, so changes from another device stay', async () => {
  const { ada, grace } = await openTwo();
  const tab = await chats.open({ context: ada.context, fragment: ada.fragment });
  await tab.waitUntilLive();
  const dialog = await openSettings(tab);
  const other = await openSettings(ada);
  await other.getByLabel('Title').fill('from the first tab');
  await ada.confirm('Save');
  await heading(tab, 'from the first tab').waitFor();
  await dialog.getByLabel('Lock the room').check();
  await tab.confirm('Save');
  await notice(grace, 'locked this room').waitFor();
  await heading(grace, 'from the first tab').waitFor();
  await ada.close();
  await grace.close();
});

test('settings that the server refuses stay in the dialog with the reason', async () => {
  const ada = await chats.open();
  await ada.createRoom();
  const dialog = await openSettings(ada);
  await dialog.getByLabel('Title').fill('x'.repeat(101));
  await ada.confirm('Save');
  await dialog.getByRole('alert').filter({ hasText: '100' }).waitFor();
  assert.equal(await dialog.getByLabel('Title').inputValue(), 'x'.repeat(101));
  await ada.close();
});

test('in a locked room, only the owner can write, and the others can delete', async () => {
  const { ada, grace } = await openTwo();
  await grace.send('before the lock');
  await (await openSettings(ada)).getByLabel('Lock the room').check();
  await ada.confirm('Save');
  await notice(grace, 'The owner has locked this room').waitFor();
  assert.ok(await field(grace).isDisabled());
  await ada.send('from the owner');
  await grace.waitForTexts('before the lock', 'from the owner');
  assert.equal(await grace.row('from the owner').getByRole('button').count(), 0, 'no reactions and replies');
  await grace.choose('before the lock', 'Delete');
  await grace.confirm('Delete');
  await grace.waitForTexts('Message deleted', 'from the owner');
  await (await openSettings(ada)).getByLabel('Lock the room').uncheck();
  await ada.confirm('Save');
  await grace.send('after the lock');
  await ada.waitForTexts('Message deleted', 'from the owner', 'after the lock');
  await ada.close();
  await grace.close();
});

test('in slow mode, the message field counts down, and keeps the text until the message can be sent', async () => {
  const room = await createOwnedRoom(chats.server.graphql);
  await room.update({ slowModeSeconds: 60 });
  const chat = await chats.enter(room);
  await chat.send('first');
  await notice(chat, 'you can send again in').waitFor();
  await field(chat).fill('second');
  await field(chat).press('Enter');
  await until(async () => (await chat.page.locator('#announcer').textContent()).startsWith('Not sent. You can send again in'));
  assert.equal(await field(chat).inputValue(), 'second');
  await room.update({ slowModeSeconds: 3 });
  await notice(chat, 'you can send again in').waitFor({ state: 'hidden' });
  await field(chat).press('Enter');
  await chat.waitForTexts('first', 'second');
  await room.update({ slowModeSeconds: 60 });
  await chat.page.reload();
  await chat.waitUntilLive();
  await notice(chat, 'you can send again in').waitFor();
  await chat.close();
});

test('a message that slow mode refuses is sent when the wait is over', async () => {
  const { chat } = await chats.enterNewRoom();
  let refused = 0;
  await chat.page.route('**/graphql', (route) => {
    if (refused > 0 || !route.request().postData()?.includes('sendMessage')) return route.fallback();
    refused += 1;
    const errors = [{ message: 'too soon', extensions: { code: 'SLOW_MODE', retryAfterMs: 49_500 } }];
    return route.fulfill({ body: JSON.stringify({ data: null, errors }) });
  });
  await chat.page.clock.install();
  await chat.submit('sent too soon');
  await chat.page.getByText('Slow mode, sending in 50 s').waitFor();
  await chat.page.clock.fastForward(49_500);
  await chat.waitUntilSent();
  await chat.waitForTexts('sent too soon');
  await chat.close();
});

test('the owner removes a message after a confirmation, and it is gone for everybody', async () => {
  const { ada, grace } = await openTwo();
  await grace.send('rude');
  await ada.waitForTexts('rude');
  await ada.choose('rude', 'Remove message');
  await ada.confirm('Cancel');
  await ada.waitForTexts('rude');
  await ada.choose('rude', 'Remove message');
  await ada.confirm('Remove');
  for (const chat of [ada, grace]) {
    await chat.waitForTexts('Message removed by the owner');
    await chat.close();
  }
});

test('a banned user reads why and until when, cannot write, and can again after the owner has lifted the ban', async () => {
  const { ada, grace } = await openTwo();
  await grace.send('one');
  await grace.send('two');
  await ada.waitForTexts('one', 'two');
  await ban(ada, 'two', async (dialog) => {
    await dialog.getByLabel('For how long').selectOption({ label: '1 hour' });
    await dialog.getByLabel('Reason').fill('<i>spam</i>');
    await dialog.getByLabel('Remove all their messages').check();
  });
  await notice(grace, 'has banned you until').waitFor();
  await notice(grace, 'Reason: <i>spam</i>').waitFor();
  assert.ok(await field(grace).isDisabled());
  await grace.waitForTexts('Message removed by the owner', 'Message removed by the owner');
  await until(async () => (await ada.page.locator('.chatters').first().getByText('Grace').count()) === 0);

  await grace.page.reload();
  await grace.waitUntilLive();
  await notice(grace, 'has banned you until').waitFor();
  await ada.send('you can still read');
  await grace.page.getByText('you can still read').first().waitFor();

  const dialog = await openSettings(ada);
  await dialog.getByText('Banned people').click();
  await dialog.getByText('<i>spam</i>').waitFor();
  await dialog.getByRole('button', { name: 'Unban Grace' }).click();
  await dialog.getByText('Nobody is banned.').waitFor();
  await ada.confirm('Cancel');
  await grace.send('thank you');
  await ada.page.locator('.text', { hasText: 'thank you' }).waitFor();
  await ada.close();
  await grace.close();
});

test('a ban ends by itself in the page', async () => {
  const { room, chat } = await enterOwned();
  await chat.send('hello');
  await room.ban((await room.lastMessage()).author.id, { seconds: 5 });
  await chat.waitUntilShown('access', /has banned you/);
  await chat.page.getByText('You are').waitFor();
  await chat.send('back again');
  await chat.waitForTexts('hello', 'back again');
  await chat.close();
});

test('somebody who has joined without a message can be banned from the list of people', async () => {
  const { ada, grace } = await openTwo();
  await grace.page.getByRole('button', { name: 'Join' }).click();
  await ada.page.getByRole('button', { name: 'More about Grace' }).click();
  await ada.page.getByRole('menuitem', { name: 'Ban Grace' }).click();
  await ada.confirm('Ban');
  await notice(grace, 'has banned you from writing').waitFor();
  await ada.close();
  await grace.close();
});

test('when the owner ends the room, everybody reads it, and the room is gone', async () => {
  const { ada, grace } = await openTwo();
  await grace.send('last words');
  await (await openSettings(ada)).getByRole('button', { name: 'End the room' }).click();
  await ada.page.getByRole('dialog', { name: 'End this room?' }).getByRole('button', { name: 'End the room' }).click();
  for (const chat of [ada, grace]) {
    await chat.page.locator('.banner', { hasText: 'The owner has ended this room' }).waitFor();
    assert.ok(await field(chat).isDisabled());
    assert.equal(await chat.page.getByRole('dialog').count(), 0);
    await chat.page.reload();
    await chat.page.getByRole('alert').filter({ hasText: 'does not exist' }).waitFor();
    await chat.close();
  }
});

test('when the room is full, the page says so, and enters when somebody leaves', async () => {
  const room = await createOwnedRoom(chats.server.graphql);
  await room.update({ capacity: 1 });
  const ada = await chats.enter(room);
  const grace = await chats.open({ fragment: `#${room.key.roomId}/${room.key.roomCode}` });
  await grace.page.getByText('This room is full').waitFor();
  await ada.close();
  await grace.waitUntilLive();
  await grace.send('finally');
  await grace.waitForTexts('finally');
  await grace.close();
});

async function enterOwned() {
  const room = await createOwnedRoom(chats.server.graphql);
  return { room, chat: await chats.enter(room) };
}
