// The documentation page of the legacy routes in Chromium: its content, its forms, and that it contacts no other server.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { assertAccessible } from './support/accessible.js';
import { openBrowser } from './support/browser.js';
import { startServer } from './support/server.js';

let browser;

before(async () => (browser = await openBrowser()));
after(() => browser?.close());

/** Starts a server with these settings and opens its page. Errors and requests to other servers are recorded in `faults`. */
async function open(t, settings, options) {
  const server = await startServer(settings);
  const context = await browser.newContext(options);
  t.after(async () => {
    await context.close();
    await server.stop();
  });
  const page = await context.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.stack));
  page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
  page.on('request', (request) => {
    if (!request.url().startsWith(`${server.url}/`)) faults.push(`requested ${request.url()}`);
  });
  await page.goto(`${server.url}/docs`);
  await page.waitForSelector('section');
  return { page, faults };
}

/** Submits the form of a route and returns the response. */
async function send(page, route) {
  await page.getByRole('button', { name: `Send ${route}`, exact: true }).click();
  const output = page.getByLabel(`Response of ${route}`, { exact: true });
  await output.locator('pre').waitFor();
  return { status: await output.locator('strong').textContent(), body: JSON.parse(await output.locator('pre').textContent()) };
}

for (const settings of [{}, { BASE_PATH: '/some/chat' }]) {
  test(`every route can be tried on the page, ${settings.BASE_PATH ?? 'at the root'}`, async (t) => {
    const { page, faults } = await open(t, settings);
    assert.equal(await page.locator('section').count(), 6);
    assert.equal(await page.getByRole('navigation', { name: 'Routes' }).getByRole('link').count(), 6);
    const made = await send(page, 'GET /room/create/');
    assert.equal(made.status, '200');
    // Values from earlier responses are filled in.
    const sent = await send(page, 'POST /room/message/send');
    assert.deepEqual([sent.status, sent.body.data.message], ['200', 'Hello']);
    const edited = await send(page, 'POST /room/message/edit/');
    assert.deepEqual([edited.status, edited.body.data.message_id], ['200', 0]);
    assert.equal((await send(page, 'POST /room/message/delete/')).status, '200');
    const read = await send(page, 'POST /room/');
    assert.deepEqual([read.status, read.body.data.messages[0].deleted], ['200', true]);
    assert.equal((await send(page, 'GET /rooms_views/')).body.data[made.body.room], 1);
    assert.deepEqual(faults, []);
  });
}

test('error responses are shown, too', async (t) => {
  const { page } = await open(t, {});
  await page.locator('#openRoom textarea').fill('{');
  const { status, body } = await send(page, 'POST /room/');
  assert.deepEqual([status, body.detail[0].type], ['422', 'json_invalid']);
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe-core finds no violation, ${colorScheme}`, async (t) => {
    const { page } = await open(t, {}, { colorScheme });
    await send(page, 'GET /room/create/');
    for (const summary of await page.locator('#createRoom summary').all()) await summary.click();
    await assertAccessible(page);
    if (process.env.SHOT) await page.screenshot({ path: `${process.env.SHOT}-${colorScheme}.png` });
  });
}
