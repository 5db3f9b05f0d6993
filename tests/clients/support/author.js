// A user who sends, edits and deletes messages, and records the events that subscribers must receive.

const CREATE = 'mutation { createRoom { room { id code cursor } } }';
const RESULT = 'message { id index } token cursor';
const SEND = `mutation ($input: SendMessageInput!) { sent: sendMessage(input: $input) { ${RESULT} author { id } } }`;
const EDIT = `mutation ($input: EditMessageInput!) { sent: editMessage(input: $input) { ${RESULT} } }`;
const DELETE = `mutation ($input: DeleteMessageInput!) { sent: deleteMessage(input: $input) { ${RESULT} } }`;

/** Creates a room. `execute(query, variables)` sends a request over any transport and returns the response. */
export async function createRoom(execute) {
  const { id, code, cursor } = (await dataOf(execute, CREATE)).createRoom.room;
  const author = authorIn({ roomId: id, roomCode: code }, execute);
  /** The cursor before the first event. */
  author.start = cursor;
  return author;
}

/** Enters an existing room. */
export function authorIn(key, execute) {
  const me = {};
  /** The events of the author's actions, in order. */
  const events = [];

  async function change(__typename, query, input) {
    const { sent } = await dataOf(execute, query, { input: { ...key, ...me, ...input } });
    me.token = sent.token;
    if (sent.author) me.userId = sent.author.id;
    events.push({ __typename, cursor: sent.cursor, index: sent.message.index });
    return sent.message.id;
  }

  return {
    /** Id and code of the room, as variables of an operation. */
    key,
    events,
    send: (text) => change('MessageSent', SEND, { text }),
    edit: (messageId, text) => change('MessageEdited', EDIT, { messageId, text }),
    delete: (messageId) => change('MessageDeleted', DELETE, { messageId }),
    /** Sends further requests through another `execute`. */
    sendThrough(other) {
      execute = other;
    },
  };
}

async function dataOf(execute, query, variables) {
  const { data, errors } = await execute(query, variables);
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}
