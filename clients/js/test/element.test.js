// The element <live-chat> on a page of another site, in Chromium.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';

import { assertAccessible } from '../../../tests/clients/support/accessible.js';
import { openBrowser } from '../../../tests/clients/support/browser.js';
import { startServer } from '../../../tests/clients/support/server.js';
import { until } from '../../../tests/clients/support/until.js';
import { openClient, textsOf } from './support/client.js';
import { startSite } from './support/site.js';

let server;
let browser;

before(async () => ([server, browser] = await Promise.all([startServer(), openBrowser()])));

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Nothing in these parts of the element has to be scrolled sideways. */
async function assertFits(page, parts) {
  for (const part of parts) {
    const element = page.locator(`live-chat ${part}`).first();
    const { scrollWidth, clientWidth } = await element.evaluate(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth }));
    assert.ok(scrollWidth <= clientWidth, `${part}: ${scrollWidth} > ${clientWidth}`);
  }
}

async function screenshot(page, name) {
  if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/live-chat-${name}.png` });
}

/** Opens a page with a new room, whose policy allows only what the README says. */
async function openPage(t, { attributes = 'name="Grace"', isOwner = false, ...options } = {}) {
  const client = openClient(t, server.url);
  const key = await client.createRoom({ title: 'Tea' });
  const room = await client.join({ ...key, user: { displayName: 'Ada' } });
  const policy = `default-src 'none'; script-src 'self'; connect-src ${server.url} ${server.url.replace('http', 'ws')}; require-trusted-types-for 'script'`;
  const site = await startSite({
    '/': `<!doctype html><html lang="en"><head><meta http-equiv="content-security-policy" content="${policy}"><title>A site</title></head>
      <body><main><h1>A site</h1><script type="module" src="/client/live-chat.js"></script>
      <live-chat server="${server.url}" room="${key.roomId}" code="${key.roomCode}" ${attributes} ${isOwner ? `owner-token="${key.ownerToken}"` : ''}></live-chat></main></body></html>`,
  });
  t.after(() => site.close());
  const context = await browser.newContext(options);
  t.after(() => context.close());
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.stack));
  page.on('console', (message) => /Content Security Policy|Trusted/.test(message.text()) && faults.push(message.text()));
  await page.goto(site.url);
  await page.getByRole('heading', { name: 'Tea' }).waitFor();
  return { page, room, faults };
}

test('it shows a room, and its user can write, answer, react, edit and delete with the keyboard', async (t) => {
  const { page, room, faults } = await openPage(t);
  const markup = '<img src=x onerror=alert(1)>';
  await room.send(markup);
  await page.getByText(markup).waitFor();
  await page.getByLabel('Message', { exact: true }).focus();
  await page.keyboard.type('Hello');
  await page.keyboard.press('Enter');
  await until(() => textsOf(room).includes('Hello'));
  assert.equal(room.state.messages[1].author.displayName, 'Grace');

  await page.getByRole('button', { name: 'Reply to Ada' }).press('Enter');
  await page.keyboard.type('an answer');
  await page.keyboard.press('Enter');
  await until(() => room.state.messages[2]?.replyToId === room.state.messages[0].id);

  await page.getByRole('button', { name: 'React with 👍' }).first().press('Enter');
  await until(() => room.state.messages[0].reactions[0]?.count === 1);
  await page.locator('button[aria-pressed=true]').waitFor();

  await page.getByRole('button', { name: 'Edit' }).first().press('Enter');
  await page.keyboard.type(', all');
  await page.keyboard.press('Enter');
  await until(() => textsOf(room).includes('Hello, all'));

  await page.getByRole('button', { name: 'Delete' }).first().press('Enter');
  await page.getByText('Message deleted').first().waitFor();
  await until(() => textsOf(room).includes(null));
  assert.deepEqual(textsOf(room), [markup, null, 'an answer']);
  assert.deepEqual(faults, []);
});

test('its owner changes settings, removes messages, bans, lifts bans, and ends the room', async (t) => {
  const { page, room, faults } = await openPage(t, { isOwner: true });
  const button = (name) => page.getByRole('button', { name, exact: true });
  const dialog = page.getByRole('dialog');
  await button('Settings').press('Enter');
  await dialog.getByLabel('Title').fill('Coffee');
  await dialog.getByLabel('Seconds between two messages').fill('3');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Coffee' }).waitFor();
  await until(() => room.state.settings.title === 'Coffee' && room.state.settings.slowModeSeconds === 3);
  assert.ok(await button('Settings').evaluate((element) => element.matches(':focus')), 'the focus is where it was');

  const client = openClient(t, server.url);
  const guest = await client.join({ roomId: room.state.roomId, roomCode: await page.locator('live-chat').getAttribute('code'), user: { displayName: 'Mallory' } });
  await guest.send('nonsense');
  await button('Delete').press('Enter');
  await until(() => room.state.messages[0]?.deletedBy === 'OWNER');
  await room.owner.update({ slowModeSeconds: 0 });
  await guest.send('more nonsense');
  await button('Ban Mallory').press('Enter');
  await dialog.getByLabel('How long').selectOption('for an hour');
  await dialog.getByLabel('Delete their messages').check();
  await button('Ban').press('Enter');
  await until(() => guest.state.ban?.until && guest.state.messages[1]?.text === null);

  await button('Settings').press('Enter');
  await button('Lift the ban of Mallory').press('Enter');
  await until(() => guest.state.ban === null);
  await button('Lift the ban of Mallory').waitFor({ state: 'detached' });
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });

  await button('End').press('Enter');
  await button('Cancel').press('Enter');
  await dialog.waitFor({ state: 'detached' });
  // If the page had ended the room, it could not send anymore.
  await page.getByLabel('Message', { exact: true }).fill('going on');
  await page.keyboard.press('Enter');
  await until(() => textsOf(room).includes('going on'));
  await button('End').press('Enter');
  await button('End the room').press('Enter');
  await page.getByText('This room has ended.').waitFor();
  await until(() => room.state.connection === 'ended');
  assert.equal(await button('Settings').count(), 0);
  assert.deepEqual(faults, []);
});

test('saving the settings keeps what the owner has changed on another device meanwhile', async (t) => {
  const { page, room } = await openPage(t, { isOwner: true });
  const dialog = page.getByRole('dialog');
  await page.getByRole('button', { name: 'Settings', exact: true }).click();
  await dialog.waitFor();
  await room.owner.update({ title: 'Coffee', capacity: 7, listed: true });
  await dialog.getByLabel('Only the owner can write').check();
  await dialog.getByRole('button', { name: 'Save' }).click();
  await until(() => room.state.settings.locked);
  const { title, slowModeSeconds, capacity, listed } = room.state.settings;
  assert.deepEqual({ title, slowModeSeconds, capacity, listed }, { title: 'Coffee', slowModeSeconds: 0, capacity: 7, listed: true });
});

test('the focus stays on a button when its message changes', async (t) => {
  const { page, room } = await openPage(t);
  const message = await room.send('Hello');
  const react = page.getByRole('button', { name: 'React with 👍' });
  await react.focus();
  await room.edit(message.id, 'Hello, all');
  await page.getByText('Hello, all').waitFor();
  await page.keyboard.press('Enter');
  await until(() => room.state.messages[0].reactions[0]?.count === 1);
});

test('a page chooses the colors, and light or dark', async (t) => {
  const { page } = await openPage(t, { colorScheme: 'light' });
  const background = () => page.locator('live-chat').evaluate((element) => getComputedStyle(element).backgroundColor);
  assert.equal(await background(), 'rgb(255, 255, 255)');
  await page.locator('live-chat').evaluate((element) => element.setAttribute('theme', 'dark'));
  assert.equal(await background(), 'rgb(23, 23, 29)');
  await page.locator('live-chat').evaluate((element) => element.style.setProperty('--live-chat-background', 'rgb(1, 2, 3)'));
  assert.equal(await background(), 'rgb(1, 2, 3)');
});

test('a visitor without a name reads at once, and is asked for one before writing', async (t) => {
  const { page, room, faults } = await openPage(t, { attributes: '' });
  await room.send('Hello');
  await page.getByText('Hello').waitFor();
  await until(() => room.state.viewerCount === 2);
  assert.equal(room.state.userCount, 1, 'a visitor without a name is a viewer, and no user');
  await page.getByLabel('Your name').fill('Grace');
  await page.getByLabel('Message', { exact: true }).fill('Hi');
  await page.getByRole('button', { name: 'Send' }).click();
  await until(() => room.state.messages[1]?.author.displayName === 'Grace');
  await until(() => room.state.people.some(({ user }) => user.displayName === 'Grace'));
  assert.equal(await page.getByLabel('Your name').isVisible(), false);
  assert.deepEqual(faults, []);
});

test('the page of a newcomer works with a script tag and an element', async (t) => {
  const client = openClient(t, server.url);
  const key = await client.createRoom({ title: 'Tea' });
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const html = /```html\n([\s\S]*?)```/.exec(readme)[1];
  assert.ok(html.split('\n').length <= 15);
  const page = html.replace('https://chat.example.org', server.url).replace('room="…" code="…"', `room="${key.roomId}" code="${key.roomCode}" name="Grace"`);
  const site = await startSite({ '/': page });
  t.after(() => site.close());
  const room = await client.join(key);
  const visitor = await browser.newPage();
  t.after(() => visitor.close());
  await visitor.goto(site.url);
  await visitor.getByLabel('Message', { exact: true }).fill('Hello');
  await visitor.getByRole('button', { name: 'Send' }).click();
  await until(() => textsOf(room).includes('Hello'));
});

for (const colorScheme of ['light', 'dark']) {
  test(`it is accessible and fits into 240 pixels, in ${colorScheme} colors`, async (t) => {
    // The margins of the page leave 240 pixels.
    const { page, room } = await openPage(t, { colorScheme, isOwner: true, viewport: { width: 256, height: 700 } });
    assert.equal(await page.locator('live-chat').evaluate((element) => element.offsetWidth), 240);
    const message = await room.send('a-long-word-'.repeat(20));
    await room.reply(message.id, 'an answer');
    await room.react(message.id, '🎂');
    await page.getByText('an answer').waitFor();
    await page.getByText('🎂 1').waitFor();
    await assertAccessible(page);
    await assertFits(page, ['header', '.log', 'form']);
    await screenshot(page, colorScheme);
    await page.getByRole('button', { name: 'Settings', exact: true }).click();
    await page.getByRole('dialog').waitFor();
    await assertAccessible(page, {}, 'the settings');
    await assertFits(page, ['dialog']);
    await screenshot(page, `settings-${colorScheme}`);
  });
}
