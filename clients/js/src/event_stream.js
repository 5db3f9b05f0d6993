// A subscription over server-sent events, for networks that block WebSockets, and for Node.js before version 22.

import { every } from './clock.js';
import { left, LiveChatError, networkError } from './errors.js';

/** @import { SubscriptionCallbacks } from './socket.js' */

/**
 * Like `Socket.subscribe`. Counts as lost if nothing arrives for `maxSilence` milliseconds: the server sends comments.
 *
 * @param {(signal: AbortSignal) => Promise<Response>} request
 * @param {number} maxSilence
 * @param {SubscriptionCallbacks} on
 * @param {AbortSignal} signal
 */
export async function subscribeToEventStream(request, maxSilence, on, signal) {
  const lost = new AbortController();
  const lose = () => lost.abort();
  signal.addEventListener('abort', lose);
  let lastReceived = Date.now();
  const stopTimer = every(maxSilence / 4, () => Date.now() - lastReceived > maxSilence && lose());
  /** @type {Error | undefined} */
  let refusal;
  let isComplete = false;
  try {
    const response = await request(lost.signal);
    if (!response.body || !response.headers.get('content-type')?.startsWith('text/event-stream')) throw networkError();
    on.open();
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (let text = ''; !isComplete; ) {
      const { done, value } = await reader.read();
      if (done) break;
      lastReceived = Date.now();
      const events = (text + decoder.decode(value, { stream: true })).split('\n\n');
      text = events.pop() ?? '';
      for (const event of events) {
        if (signal.aborted) break;
        const data = /^data: (.*)$/m.exec(event);
        if (/^event: next$/m.test(event) && data) {
          const result = JSON.parse(data[1]);
          if (result.errors?.length) refusal = LiveChatError.from(result.errors[0]);
          else on.next(result.data);
        }
        isComplete ||= /^event: complete$/m.test(event);
      }
    }
  } catch {
    // The connection was lost.
  } finally {
    stopTimer();
    signal.removeEventListener('abort', lose);
    lost.abort();
  }
  if (signal.aborted) throw left();
  if (refusal) throw refusal;
  if (!isComplete) throw networkError();
}
