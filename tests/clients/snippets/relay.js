import '../support/resume.js';

// #region relay chat
import { createClient } from 'graphql-ws';
import relay from 'relay-runtime';
import { followRoom, post, userOf } from './chat.js';
import { resuming } from './resuming.js';

const { Environment, fetchQuery, getRequest, graphql, Network, Observable, RecordSource, requestSubscription, Store } = relay;

const roomQuery = graphql`
  query relayRoomQuery($roomId: ID!, $roomCode: String!) {
    room(id: $roomId, code: $roomCode) { id cursor messages(last: 50) { nodes { ...relayLine @relay(mask: false) } } }
  }
`;
const line = graphql`
  fragment relayLine on Message { id index text deletedAt editedAt author { id displayName } }
`;
const events = graphql`
  subscription relayEventsSubscription($roomId: ID!, $roomCode: String!, $after: String) {
    messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { cursor message { ...relayLine @relay(mask: false) } }
  }
`;

export function openChat(url, room, show) {
  const ws = createClient({ url: `${url.replace('http', 'ws')}/graphql`, ...resuming() });
  const execute = ({ text }, variables) => Observable.create((sink) => ws.subscribe({ query: text, variables }, sink));
  const environment = new Environment({ network: Network.create(execute, execute), store: new Store(new RecordSource()) });
  const operation = relay.createOperationDescriptor(getRequest(roomQuery), room);
  const leaving = new AbortController();
  let kept;

  // Errors from the server have codes and are inside Relay's own; other errors come from the connection.
  const errorsOf = (error) => error.source?.errors ?? error;
  // The store applies edits and deletions by itself, because it identifies messages by id. A new one goes into the list.
  const take = (store) => {
    const message = store.getRootField('messageEvents').getLinkedRecord('message');
    const list = store.getRoot().getLinkedRecord('room', { id: room.roomId, code: room.roomCode })
      .getLinkedRecord('messages', { last: 50 });
    const nodes = list.getLinkedRecords('nodes');
    if (!nodes.includes(message)) list.setLinkedRecords([...nodes, message], 'nodes');
  };

  const read = async () => {
    const data = await fetchQuery(environment, roomQuery, room).toPromise().catch((error) => { throw errorsOf(error); });
    const snapshot = environment.lookup(operation.fragment);
    show(snapshot.data.room.messages.nodes);
    kept = [environment.retain(operation), environment.subscribe(snapshot, ({ data }) => show(data.room.messages.nodes))];
    return data.room.cursor;
  };
  const listen = (after) =>
    new Promise((onCompleted, reject) => {
      const onError = (error) => reject(errorsOf(error));
      const variables = { ...room, after };
      const subscribed = requestSubscription(environment, { subscription: events, variables, updater: take, onCompleted, onError });
      leaving.signal.onabort = () => [subscribed, ...kept].forEach((open) => open.dispose());
    });

  return { over: followRoom(leaving.signal, read, listen), act: userOf(post(url), room), leave: () => leaving.abort() };
}
// #endregion
