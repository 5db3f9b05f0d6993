// Somebody who makes a room, sends, edits and deletes there, and remembers what a reader must be told.

const CREATE = 'mutation { createRoom { room { id code cursor } } }';
const RESULT = 'message { id index } token cursor';
const SEND = `mutation ($input: SendMessageInput!) { sent: sendMessage(input: $input) { ${RESULT} author { id } } }`;
const EDIT = `mutation ($input: EditMessageInput!) { sent: editMessage(input: $input) { ${RESULT} } }`;
const DELETE = `mutation ($input: DeleteMessageInput!) { sent: deleteMessage(input: $input) { ${RESULT} } }`;

/** Makes a room. `execute(query, variables)` gives the answer to a request, over whatever transport. */
export async function createRoom(execute) {
  const { id, code, cursor } = (await dataOf(execute, CREATE)).createRoom.room;
  const author = authorIn({ roomId: id, roomCode: code }, execute);
  /** Before everything that happens in the room. */
  author.start = cursor;
  return author;
}

/** Goes into a room that somebody else made. */
export function authorIn(place, execute) {
  const me = {};
  /** What happened, in order, as a reader must be told it. */
  const story = [];

  async function change(__typename, query, input) {
    const { sent } = await dataOf(execute, query, { input: { ...place, ...me, ...input } });
    me.token = sent.token;
    if (sent.author) me.userId = sent.author.id;
    story.push({ __typename, cursor: sent.cursor, index: sent.message.index });
    return sent.message.id;
  }

  return {
    place,
    story,
    send: (text) => change('MessageSent', SEND, { text }),
    edit: (messageId, text) => change('MessageEdited', EDIT, { messageId, text }),
    delete: (messageId) => change('MessageDeleted', DELETE, { messageId }),
    /** Goes on over another transport. */
    over(other) {
      execute = other;
    },
  };
}

async function dataOf(execute, query, variables) {
  const { data, errors } = await execute(query, variables);
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}
