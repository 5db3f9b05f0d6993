// #region graphql-sse chat
import { createClient } from 'graphql-sse';
import { dataOf, DELETE, EDIT, EVENTS, followRoom, ROOM, SEND, upsert, userOf } from './chat.js';
import { follow } from './resuming.js';

export function openChat(url, room, show) {
  const client = createClient({ url: `${url}/graphql`, retryAttempts: Infinity });
  const execute = async (query, variables) => {
    for await (const result of client.iterate({ query, variables })) return result;
  };
  const act = userOf(execute);
  let messages = [];
  const take = (message) => show((messages = upsert(messages, message)));

  const leaving = new AbortController();
  const read = async () => {
    const { cursor, messages: page } = dataOf(await execute(ROOM, room)).room;
    show((messages = page.nodes));
    return cursor;
  };
  const listen = (after) =>
    new Promise((complete, error) => {
      const next = ({ data, errors }) => (errors ? error(errors) : take(data.messageEvents.message));
      const request = { query: EVENTS, variables: { ...room, after } };
      leaving.signal.onabort = follow(client, request, { next, error, complete });
    });

  return {
    over: followRoom(leaving.signal, read, listen),
    send: async (text) => take(await act(SEND, { ...room, text, clientMessageId: crypto.randomUUID() })),
    edit: (messageId, text) => act(EDIT, { ...room, messageId, text }),
    remove: (messageId) => act(DELETE, { ...room, messageId }),
    leave() {
      leaving.abort();
      client.dispose();
    },
  };
}
// #endregion
