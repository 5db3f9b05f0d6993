import '../support/resume.js';

// #region subscriptions-transport-ws
import { SubscriptionClient } from 'subscriptions-transport-ws';

/** Connects. The client reconnects by itself, and sends its subscriptions again. */
export const connect = (url, options) =>
  new SubscriptionClient(`${url.replace('http', 'ws')}/graphql`, { reconnect: true, minTimeout: 5000, ...options });

/** Subscribes. The variables are sent again after a reconnect, by then with the last cursor. */
export function follow(client, request, sink) {
  const variables = { ...request.variables };
  const next = (result) => {
    if (result.data?.messageEvents) variables.after = result.data.messageEvents.cursor;
    sink.next(result);
  };
  return client.request({ ...request, variables }).subscribe({ ...sink, next }).unsubscribe;
}
// #endregion
