// #region graphql-sse chat
import { createClient } from 'graphql-sse';
import { DELETE, EDIT, EVENTS, put, ROOM, SEND, userOf } from './chat.js';
import { follow } from './resuming.js';

export async function openChat(url, room, show) {
  const client = createClient({ url: `${url}/graphql`, retryAttempts: Infinity });
  const execute = async (query, variables) => {
    for await (const answer of client.iterate({ query, variables })) return answer;
  };
  const act = userOf(execute);
  let messages = [];
  const take = (message) => show((messages = put(messages, message)));

  const { data } = await execute(ROOM, room);
  show((messages = data.room.messages.nodes));
  const stop = follow(client, { query: EVENTS, variables: { ...room, after: data.room.cursor } }, {
    next: ({ data, errors }) => (errors ? console.error(errors) : take(data.messageEvents.message)),
    error: console.error,
    complete: () => {}, // The room has ended, or we have left.
  });

  return {
    send: async (text) => take(await act(SEND, { ...room, text, clientMessageId: crypto.randomUUID() })),
    edit: (messageId, text) => act(EDIT, { ...room, messageId, text }),
    remove: (messageId) => act(DELETE, { ...room, messageId }),
    leave() {
      stop();
      client.dispose();
    },
  };
}
// #endregion
