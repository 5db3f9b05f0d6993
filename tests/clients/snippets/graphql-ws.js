import '../support/resume.js';

// #region graphql-ws chat
import { createClient } from 'graphql-ws';
import { dataOf, DELETE, EDIT, EVENTS, followRoom, ROOM, SEND, upsert, userOf } from './chat.js';
import { resuming } from './resuming.js';

export function openChat(url, room, show) {
  const client = createClient({ url: `${url.replace('http', 'ws')}/graphql`, ...resuming() });
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
      const next = ({ data }) => data && take(data.messageEvents.message);
      const request = { query: EVENTS, variables: { ...room, after } };
      leaving.signal.onabort = client.subscribe(request, { next, error, complete });
    });

  return {
    over: followRoom(leaving.signal, read, listen),
    async send(text) {
      const clientMessageId = crypto.randomUUID();
      take({ id: clientMessageId, clientMessageId, text, pending: true });
      take(await act(SEND, { ...room, text, clientMessageId }));
    },
    edit: (messageId, text) => act(EDIT, { ...room, messageId, text }),
    remove: (messageId) => act(DELETE, { ...room, messageId }),
    leave() {
      leaving.abort();
      client.dispose();
    },
  };
}
// #endregion
