// #region eventsource chat
import { dataOf, DELETE, EDIT, EVENTS, followRoom, post, ROOM, SEND, upsert, userOf } from './chat.js';

export function openChat(url, room, show) {
  const execute = post(url);
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
      const variables = JSON.stringify({ ...room, after });
      const source = new EventSource(`${url}/graphql?${new URLSearchParams({ query: EVENTS, variables })}`);
      leaving.signal.onabort = () => source.close();
      source.addEventListener('next', (event) => {
        const { data, errors } = JSON.parse(event.data);
        if (errors) error(errors);
        else take(data.messageEvents.message);
      });
      source.addEventListener('complete', complete);
      // It does not reconnect after a response that is not a stream, for example from a proxy whose server is down.
      source.addEventListener('error', () => source.readyState === EventSource.CLOSED && error());
    });

  return {
    over: followRoom(leaving.signal, read, listen),
    send: async (text) => take(await act(SEND, { ...room, text, clientMessageId: crypto.randomUUID() })),
    edit: (messageId, text) => act(EDIT, { ...room, messageId, text }),
    remove: (messageId) => act(DELETE, { ...room, messageId }),
    leave: () => leaving.abort(),
  };
}
// #endregion
