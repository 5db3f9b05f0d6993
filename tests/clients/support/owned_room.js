// A room with its owner, over the API.

import { authorIn } from './author.js';

const CREATE = 'mutation { createRoom { ownerToken room { id code cursor } } }';
const UPDATE = 'mutation ($input: UpdateRoomInput!) { updateRoom(input: $input) { cursor } }';
const BAN = 'mutation ($input: BanUserInput!) { banUser(input: $input) { cursor } }';
const JOIN = 'mutation ($input: JoinRoomInput!) { joinRoom(input: $input) { user { id } token presenceToken } }';
const SEND = 'mutation ($input: SendMessageInput!) { sendMessage(input: $input) { message { id } author { id } token } }';
const REACT = 'mutation ($input: AddReactionInput!) { addReaction(input: $input) { token } }';
const TYPE = 'mutation ($input: SetTypingInput!) { setTyping(input: $input) { until } }';
const LAST = 'query ($id: ID!, $code: String!) { room(id: $id, code: $code) { messages(last: 1) { nodes { id author { id } } } } }';

/** Creates a room. `execute(query, variables)` sends a request and returns the response. */
export async function createOwnedRoom(execute) {
  const run = async (query, input) => dataOf(await execute(query, { input }));
  const { room, ownerToken } = dataOf(await execute(CREATE)).createRoom;
  const key = { roomId: room.id, roomCode: room.code };
  const owner = { roomId: room.id, ownerToken };
  return {
    ...authorIn(key, execute),
    key,
    start: room.cursor,
    ownerToken,
    update: (settings) => run(UPDATE, { ...owner, ...settings }),
    ban: (userId, ban = {}) => run(BAN, { ...owner, userId, ...ban }),
    /** Returns the last message: `{ id, author }`. */
    async lastMessage() {
      const data = dataOf(await execute(LAST, { id: room.id, code: room.code }));
      return data.room.messages.nodes[0];
    },
    /** A user who joins with this name, or with an identity. */
    async join(displayName, identity) {
      const { user, token, presenceToken } = (await run(JOIN, { ...key, displayName, token: identity })).joinRoom;
      const me = { userId: user.id, token };
      return {
        userId: user.id,
        presenceToken,
        async react(messageId, emoji) {
          me.token = (await run(REACT, { ...key, ...me, messageId, emoji })).addReaction.token;
        },
        async send(text, replyToId) {
          const { token, message } = (await run(SEND, { ...key, ...me, text, replyToId })).sendMessage;
          me.token = token;
          return message.id;
        },
        type: () => run(TYPE, { ...key, presenceToken }),
      };
    },
  };
}

function dataOf({ data, errors }) {
  if (errors) throw new Error(JSON.stringify(errors));
  return data;
}
