// Somebody who follows a room with a client, and writes down what is told.

import { until } from './until.js';

export const FOLLOW = `subscription ($roomId: ID!, $roomCode: String!, $after: String) {
  messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { __typename cursor message { id index text } }
}`;

/**
 * Follows with `follow(variables, sink)`, which hands every result of the subscription to `sink.next`, its failure to
 * `sink.error` and its end to `sink.complete`, and returns how to stop.
 */
export function read(follow, variables) {
  const reader = { story: [], errors: [], failure: undefined, completed: false };
  reader.stop = follow(variables, {
    next({ data, errors }) {
      if (errors?.length) reader.errors.push(...errors);
      const event = data?.messageEvents;
      if (event) reader.story.push({ __typename: event.__typename, cursor: event.cursor, index: event.message.index });
    },
    error(failure) {
      if (Array.isArray(failure)) reader.errors.push(...failure);
      else reader.failure = failure;
    },
    complete() {
      reader.completed = true;
    },
  });
  const tell = () => `The reader knows ${JSON.stringify(reader)}, ${reader.failure?.message ?? ''}`;
  /** Waits until as much was told as happened, or the subscription is over. */
  reader.caughtUp = (story) => until(() => reader.story.length >= story.length || reader.isOver(), tell);
  reader.isOver = () => reader.completed || reader.failure !== undefined || reader.errors.length > 0;
  reader.over = () => until(reader.isOver, tell);
  return reader;
}
