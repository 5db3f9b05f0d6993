// The GraphQL operations of the page.

const MESSAGE = `fragment MessageFields on Message {
  id index text createdAt editedAt deletedAt clientMessageId author { id displayName }
}`;

export const CREATE_ROOM = 'mutation { createRoom { room { id code expiresAt } } }';

export const ROOM = `query ($id: ID!, $code: String!) {
  room(id: $id, code: $code) {
    id code expiresAt cursor viewerCount chatterCount
    messages(last: 50) { pageInfo { hasPreviousPage startCursor } nodes { ...MessageFields } }
  }
} ${MESSAGE}`;

export const EARLIER_MESSAGES = `query ($id: ID!, $code: String!, $before: String) {
  room(id: $id, code: $code) {
    messages(last: 50, before: $before) { pageInfo { hasPreviousPage startCursor } nodes { ...MessageFields } }
  }
} ${MESSAGE}`;

/** The state of a room without its messages: for a reconnected page, and for the number of viewers. */
export const ROOM_STATE = `query ($id: ID!, $code: String!) {
  room(id: $id, code: $code) { cursor viewerCount chatterCount }
}`;

export const CHATTERS = `query ($id: ID!, $code: String!, $after: String) {
  room(id: $id, code: $code) {
    chatterCount
    chatters(first: 50, after: $after) { pageInfo { hasNextPage endCursor } nodes { id displayName } }
  }
}`;

export const SEND = `mutation ($input: SendMessageInput!) {
  payload: sendMessage(input: $input) { token author { id displayName } message { ...MessageFields } }
} ${MESSAGE}`;

export const EDIT = `mutation ($input: EditMessageInput!) {
  payload: editMessage(input: $input) { token message { ...MessageFields } }
} ${MESSAGE}`;

export const DELETE = `mutation ($input: DeleteMessageInput!) {
  payload: deleteMessage(input: $input) { token message { ...MessageFields } }
} ${MESSAGE}`;

export const MESSAGE_EVENTS = `subscription ($roomId: ID!, $roomCode: String!, $after: String) {
  messageEvents(roomId: $roomId, roomCode: $roomCode, after: $after) { __typename cursor message { ...MessageFields } }
} ${MESSAGE}`;
