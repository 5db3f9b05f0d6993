// #region eventsource chat
import { dataOf, DELETE, EDIT, EVENTS, keepUp, post, put, ROOM, SEND, userOf } from './chat.js';

export function openChat(url, room, show) {
  const execute = post(url);
  const act = userOf(execute);
  let messages = [];
  const take = (message) => show((messages = put(messages, message)));

  const left = new AbortController();
  const read = async () => {
    const { cursor, messages: page } = dataOf(await execute(ROOM, room)).room;
    show((messages = page.nodes));
    return cursor;
  };
  const listen = (after) =>
    new Promise((complete, error) => {
      const variables = JSON.stringify({ ...room, after });
      const source = new EventSource(`${url}/graphql?${new URLSearchParams({ query: EVENTS, variables })}`);
      left.signal.onabort = () => source.close();
      source.addEventListener('next', (event) => {
        const { data, errors } = JSON.parse(event.data);
        if (errors) error(errors);
        else take(data.messageEvents.message);
      });
      source.addEventListener('complete', complete);
      // After an answer that is no stream, as of a proxy whose server is away, it does not come back by itself.
      source.addEventListener('error', () => source.readyState === EventSource.CLOSED && error());
    });

  return {
    over: keepUp(left.signal, read, listen),
    send: async (text) => take(await act(SEND, { ...room, text, clientMessageId: crypto.randomUUID() })),
    edit: (messageId, text) => act(EDIT, { ...room, messageId, text }),
    remove: (messageId) => act(DELETE, { ...room, messageId }),
    leave: () => left.abort(),
  };
}
// #endregion
