// #region eventsource chat
import { DELETE, EDIT, EVENTS, put, ROOM, SEND, userOf } from './chat.js';

export async function openChat(url, room, show) {
  const execute = async (query, variables) => {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ query, variables });
    return (await fetch(`${url}/graphql`, { method: 'POST', headers, body })).json();
  };
  const act = userOf(execute);
  let messages = [];
  const take = (message) => show((messages = put(messages, message)));

  const { data } = await execute(ROOM, room);
  show((messages = data.room.messages.nodes));
  const variables = JSON.stringify({ ...room, after: data.room.cursor });
  const source = new EventSource(`${url}/graphql?${new URLSearchParams({ query: EVENTS, variables })}`);
  source.addEventListener('next', ({ data }) => {
    const answer = JSON.parse(data);
    if (answer.data) take(answer.data.messageEvents.message);
    else console.error(answer.errors[0].extensions.code);
  });
  source.addEventListener('complete', () => source.close()); // The room has ended.

  return {
    send: async (text) => take(await act(SEND, { ...room, text, clientMessageId: crypto.randomUUID() })),
    edit: (messageId, text) => act(EDIT, { ...room, messageId, text }),
    remove: (messageId) => act(DELETE, { ...room, messageId }),
    leave: () => source.close(),
  };
}
// #endregion
