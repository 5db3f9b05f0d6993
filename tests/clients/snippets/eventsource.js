// #region eventsource chat
import { dataOf, EVENTS, followRoom, post, ROOM, upsert, userOf } from './chat.js';

export function openChat(url, room, show) {
  const execute = post(url);
  const leaving = new AbortController();
  let messages = [];

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
        else show((messages = upsert(messages, data.messageEvents.message)));
      });
      source.addEventListener('complete', complete);
      // It does not reconnect after a response that is not a stream, for example from a proxy whose server is down.
      source.addEventListener('error', () => source.readyState === EventSource.CLOSED && error());
    });

  return { over: followRoom(leaving.signal, read, listen), act: userOf(execute, room), leave: () => leaving.abort() };
}
// #endregion
