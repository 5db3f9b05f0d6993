// The chat page in a browser over TLS in the server itself: everything shares one HTTP/2 connection.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { openBrowser } from './support/browser.js';
import { openChat } from './support/chat_page.js';
import { FOLLOW } from './support/reader.js';
import { startServer } from './support/server.js';
import { createCertificate } from './support/tls.js';
import { until } from './support/until.js';

let certificate;
let server;
let browser;

before(async () => {
  certificate = await createCertificate();
  server = await startServer({ TLS_CERT_FILE: certificate.cert, TLS_KEY_FILE: certificate.key });
  browser = await openBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
  await certificate?.remove();
});

test('the chat page uses a WebSocket over HTTP/2, and ten event streams beside it', async () => {
  const chat = await openChat(browser, server.url, { ignoreHTTPSErrors: true });
  const devtools = await chat.page.context().newCDPSession(chat.page);
  const handshakes = [];
  devtools.on('Network.webSocketHandshakeResponseReceived', ({ response }) => handshakes.push(response.status));
  const connections = new Set();
  devtools.on('Network.responseReceived', ({ response }) => connections.add(response.connectionId));
  await devtools.send('Network.enable');
  await chat.createRoom();
  await chat.send('hello');
  await chat.waitForTexts('hello');
  assert.deepEqual([chat.sockets.length, chat.streams.length], [1, 0]);
  assert.deepEqual(handshakes, [200], 'over HTTP/1.1 it would be 101');
  const protocols = await chat.page.evaluate(() =>
    [...new Set(performance.getEntriesByType('resource').map(({ nextHopProtocol }) => nextHopProtocol))]);
  assert.deepEqual(protocols, ['h2']);

  const [roomId, roomCode] = new URL(chat.page.url()).hash.slice(1).split('/');
  const parameters = new URLSearchParams({ query: FOLLOW, variables: JSON.stringify({ roomId, roomCode }) });
  await chat.page.evaluate((address) => {
    window.received = Array.from({ length: 10 }, () => 0);
    window.sources = window.received.map((_, number) => {
      const source = new EventSource(address);
      source.addEventListener('next', () => (window.received[number] += 1));
      return source;
    });
  }, `/graphql?${parameters}`);
  await until(() => chat.page.evaluate(() => window.sources.every(({ readyState }) => readyState === EventSource.OPEN)));
  await chat.send('to all');
  await until(() => chat.page.evaluate(() => window.received.every((count) => count > 0)));
  // Chromium keeps requests with and without credentials apart.
  assert.ok([1, 2].includes(connections.size), `connections ${[...connections]}`);
  assert.deepEqual(chat.faults, []);
  await chat.close();
});
