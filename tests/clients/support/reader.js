// A subscriber to the events of a room, which records what it receives.

import { until } from './until.js';

export const FOLLOW = `subscription ($roomId: ID!, $roomCode: String!, $after: String) {
  messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { __typename cursor message { id index text } }
}`;

/**
 * Subscribes with `follow(variables, sink)`, which passes each result to `sink.next`, a failure to `sink.error` and the end to
 * `sink.complete`, and returns a function that unsubscribes.
 */
export function read(follow, variables) {
  const reader = { events: [], errors: [], failure: undefined, completed: false };
  reader.stop = follow(variables, {
    next({ data, errors }) {
      if (errors?.length) reader.errors.push(...errors);
      const event = data?.messageEvents;
      if (event) reader.events.push({ __typename: event.__typename, cursor: event.cursor, index: event.message.index });
    },
    error(failure) {
      if (Array.isArray(failure)) reader.errors.push(...failure);
      else reader.failure = failure;
    },
    complete() {
      reader.completed = true;
    },
  });
  const describe = () => `The subscriber has received ${JSON.stringify(reader)}, ${reader.failure?.message ?? ''}`;
  /** Waits until as many events as these have arrived, or the subscription has ended. */
  reader.waitForEvents = (events) => until(() => reader.events.length >= events.length || reader.hasEnded(), describe);
  reader.hasEnded = () => reader.completed || reader.failure !== undefined || reader.errors.length > 0;
  reader.waitForEnd = () => until(reader.hasEnded, describe);
  reader.errorCodes = () => reader.errors.map(({ extensions }) => extensions.code);
  return reader;
}
