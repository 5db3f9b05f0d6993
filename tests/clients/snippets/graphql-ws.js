// A chat with graphql-ws.

// #region graphql-ws chat
import { createClient } from 'graphql-ws';
import { dataOf, EVENTS, followRoom, post, ROOM, upsert, userOf } from './chat.js';
import { resuming } from './resuming.js';

export function openChat(url, room, show) {
  const client = createClient({ url: `${url.replace('http', 'ws')}/graphql`, ...resuming() });
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
      const next = ({ data }) => data && show((messages = upsert(messages, data.messageEvents.message)));
      leaving.signal.onabort = client.subscribe({ query: EVENTS, variables: { ...room, after } }, { next, error, complete });
    });

  return { over: followRoom(leaving.signal, read, listen), act: userOf(execute, room), leave: () => leaving.abort() };
}
// #endregion
