import '../support/resume.js';

// #region graphql-ws chat
import { createClient } from 'graphql-ws';
import { DELETE, EDIT, EVENTS, put, ROOM, SEND, userOf } from './chat.js';
import { resuming } from './resuming.js';

export async function openChat(url, room, show) {
  const client = createClient({ url: `${url.replace('http', 'ws')}/graphql`, ...resuming() });
  const execute = async (query, variables) => {
    for await (const answer of client.iterate({ query, variables })) return answer;
  };
  const act = userOf(execute);
  let messages = [];
  const take = (message) => show((messages = put(messages, message)));

  let stop;
  async function follow() {
    const { data } = await execute(ROOM, room);
    show((messages = data.room.messages.nodes));
    stop = client.subscribe({ query: EVENTS, variables: { ...room, after: data.room.cursor } }, {
      next: ({ data }) => data && take(data.messageEvents.message),
      error: (errors) => errors[0]?.extensions?.code === 'CURSOR_INVALID' && follow(),
      complete: () => {}, // The room has ended, or we have left.
    });
  }
  await follow();

  return {
    async send(text) {
      const clientMessageId = crypto.randomUUID();
      take({ id: clientMessageId, clientMessageId, text, pending: true });
      take(await act(SEND, { ...room, text, clientMessageId }));
    },
    edit: (messageId, text) => act(EDIT, { ...room, messageId, text }),
    remove: (messageId) => act(DELETE, { ...room, messageId }),
    leave() {
      stop();
      client.dispose();
    },
  };
}
// #endregion
