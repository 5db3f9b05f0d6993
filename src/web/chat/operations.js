// Everything that is asked of the server.

const MESSAGE = `fragment Shown on Message {
  id index text createdAt editedAt deletedAt clientMessageId author { id displayName }
}`;

export const CREATE_ROOM = 'mutation { createRoom { room { id code expiresAt } } }';

export const ROOM = `query ($id: ID!, $code: String!) {
  room(id: $id, code: $code) {
    id code expiresAt cursor viewerCount chatterCount
    messages(last: 50) { pageInfo { hasPreviousPage startCursor } nodes { ...Shown } }
  }
} ${MESSAGE}`;

export const EARLIER = `query ($id: ID!, $code: String!, $before: String) {
  room(id: $id, code: $code) {
    messages(last: 50, before: $before) { pageInfo { hasPreviousPage startCursor } nodes { ...Shown } }
  }
} ${MESSAGE}`;

/** How things stand: for who has just come back, and for who looks who is here. */
export const STATE = `query ($id: ID!, $code: String!) {
  room(id: $id, code: $code) { cursor viewerCount chatterCount }
}`;

export const CHATTERS = `query ($id: ID!, $code: String!, $after: String) {
  room(id: $id, code: $code) {
    chatterCount
    chatters(first: 50, after: $after) { pageInfo { hasNextPage endCursor } nodes { id displayName } }
  }
}`;

export const SEND = `mutation ($input: SendMessageInput!) {
  done: sendMessage(input: $input) { token author { id displayName } message { ...Shown } }
} ${MESSAGE}`;

export const EDIT = `mutation ($input: EditMessageInput!) {
  done: editMessage(input: $input) { token message { ...Shown } }
} ${MESSAGE}`;

export const DELETE = `mutation ($input: DeleteMessageInput!) {
  done: deleteMessage(input: $input) { token message { ...Shown } }
} ${MESSAGE}`;

export const FOLLOW = `subscription ($roomId: ID!, $roomCode: String!, $after: String) {
  messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { __typename cursor message { ...Shown } }
} ${MESSAGE}`;
