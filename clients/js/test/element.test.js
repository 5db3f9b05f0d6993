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

/** Opens a page with a new room, whose policy allows only what the README says. */
async function openPage(t, { attributes = 'name="Grace"', ...options } = {}) {
  const client = openClient(t, server.url);
  const key = await client.createRoom({ title: 'Tea' });
  const room = await client.join({ ...key, user: { displayName: 'Ada' } });
  const policy = `default-src 'none'; script-src 'self'; connect-src ${server.url} ${server.url.replace('http', 'ws')}; require-trusted-types-for 'script'`;
  const site = await startSite({
    '/': `<!doctype html><html lang="en"><head><meta http-equiv="content-security-policy" content="${policy}"><title>A site</title></head>
      <body><main><h1>A site</h1><script type="module" src="/client/live-chat.js"></script>
      <live-chat server="${server.url}" room="${key.roomId}" code="${key.roomCode}" ${attributes}></live-chat></main></body></html>`,
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
  assert.deepEqual(textsOf(room), [markup, null, 'an answer']);
  assert.deepEqual(faults, []);
});

test('a visitor without a name reads at once, and is asked for one before writing', async (t) => {
  const { page, room, faults } = await openPage(t, { attributes: '' });
  await room.send('Hello');
  await page.getByText('Hello').waitFor();
  assert.equal(room.state.userCount, 1);
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
    const { page, room } = await openPage(t, { colorScheme, viewport: { width: 256, height: 700 } });
    await page.addStyleTag({ content: 'body { margin: 8px; }' }).catch(() => {});
    const message = await room.send('a-long-word-'.repeat(20));
    await room.reply(message.id, 'an answer');
    await page.getByText('an answer').waitFor();
    await assertAccessible(page);
    const { scrollWidth, clientWidth } = await page.evaluate(() => {
      const log = document.querySelector('live-chat').shadowRoot.querySelector('.log');
      return { scrollWidth: log.scrollWidth, clientWidth: log.clientWidth };
    });
    assert.ok(scrollWidth <= clientWidth, `${scrollWidth} > ${clientWidth}`);
    if (process.env.SCREENSHOTS) await page.screenshot({ path: `${process.env.SCREENSHOTS}/live-chat-${colorScheme}.png` });
  });
}
