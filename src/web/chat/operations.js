// The GraphQL operations of the page. Each export is one complete document; a server with TRUSTED_DOCUMENTS must list them all.

const CHATTER = `fragment ChatterFields on Chatter { id displayName avatarUrl isVerified }`;

const SETTINGS = `fragment SettingsFields on RoomSettings { title listed capacity slowModeSeconds locked }`;

const MESSAGE = `fragment MessageFields on Message {
  id index text createdAt editedAt deletedAt deletedBy clientMessageId replyToId authorRole
  author { ...ChatterFields } reactions { emoji count }
} ${CHATTER}`;

export const CREATE_ROOM = 'mutation { createRoom { ownerToken room { id code expiresAt } } }';

export const ROOM = `query ($id: ID!, $code: String!, $userId: ID!) {
  room(id: $id, code: $code) {
    id code expiresAt cursor viewerCount chatterCount
    settings { ...SettingsFields }
    messages(last: 50) {
      pageInfo { hasPreviousPage startCursor } nodes { ...MessageFields reactionsBy(userId: $userId) }
    }
  }
} ${SETTINGS} ${MESSAGE}`;

export const EARLIER_MESSAGES = `query ($id: ID!, $code: String!, $userId: ID!, $before: String) {
  room(id: $id, code: $code) {
    messages(last: 50, before: $before) {
      pageInfo { hasPreviousPage startCursor } nodes { ...MessageFields reactionsBy(userId: $userId) }
    }
  }
} ${MESSAGE}`;

/** One message, for a reply to a message that the page has not loaded. */
export const ONE_MESSAGE = `query ($id: ID!, $code: String!, $messageId: ID!) {
  room(id: $id, code: $code) { message(id: $messageId) { ...MessageFields } }
} ${MESSAGE}`;

/** The state of a room without its messages: for a reconnected page, and for the number of viewers. */
export const ROOM_STATE = `query ($id: ID!, $code: String!) {
  room(id: $id, code: $code) { cursor viewerCount chatterCount }
}`;

export const CHATTERS = `query ($id: ID!, $code: String!, $after: String) {
  room(id: $id, code: $code) {
    chatterCount
    chatters(first: 50, after: $after) { pageInfo { hasNextPage endCursor } nodes { ...ChatterFields } }
  }
} ${CHATTER}`;

export const JOIN = `mutation ($input: JoinRoomInput!) {
  payload: joinRoom(input: $input) { token presenceToken user { ...ChatterFields } }
} ${CHATTER}`;

export const SEND = `mutation ($input: SendMessageInput!) {
  payload: sendMessage(input: $input) { token author { ...ChatterFields } message { ...MessageFields } }
} ${MESSAGE}`;

export const EDIT = `mutation ($input: EditMessageInput!) {
  payload: editMessage(input: $input) { token message { ...MessageFields } }
} ${MESSAGE}`;

export const DELETE = `mutation ($input: DeleteMessageInput!) {
  payload: deleteMessage(input: $input) { token message { ...MessageFields } }
} ${MESSAGE}`;

export const ADD_REACTION = `mutation ($input: AddReactionInput!, $userId: ID!) {
  payload: addReaction(input: $input) { token message { ...MessageFields reactionsBy(userId: $userId) } }
} ${MESSAGE}`;

export const REMOVE_REACTION = `mutation ($input: RemoveReactionInput!, $userId: ID!) {
  payload: removeReaction(input: $input) { token message { ...MessageFields reactionsBy(userId: $userId) } }
} ${MESSAGE}`;

export const SET_TYPING = 'mutation ($input: SetTypingInput!) { setTyping(input: $input) { until } }';

export const UPDATE_ROOM = `mutation ($input: UpdateRoomInput!) {
  updateRoom(input: $input) { room { settings { ...SettingsFields } } }
} ${SETTINGS}`;

export const REMOVE_MESSAGE = `mutation ($input: RemoveMessageInput!) {
  removeMessage(input: $input) { message { ...MessageFields } }
} ${MESSAGE}`;

export const BAN = 'mutation ($input: BanUserInput!) { banUser(input: $input) { ban { until } } }';

export const UNBAN = 'mutation ($input: UnbanUserInput!) { unbanUser(input: $input) { user { id } } }';

export const END_ROOM = 'mutation ($input: EndRoomInput!) { endRoom(input: $input) { roomId } }';

export const BANS = `query ($id: ID!, $code: String!, $ownerToken: String!, $after: String) {
  room(id: $id, code: $code) {
    bans(ownerToken: $ownerToken, first: 50, after: $after) {
      totalCount pageInfo { hasNextPage endCursor } nodes { until reason user { ...ChatterFields } }
    }
  }
} ${CHATTER}`;

export const ROOM_EVENTS = `subscription ($roomId: ID!, $roomCode: String!, $after: String) {
  roomEvents(roomId: $roomId, roomCode: $roomCode, after: $after) {
    __typename cursor
    ... on MessageSent { message { ...MessageFields } }
    ... on MessageEdited { message { ...MessageFields } }
    ... on MessageDeleted { message { ...MessageFields } }
    ... on ReactionsChanged { message { ...MessageFields } }
    ... on RoomUpdated { settings { ...SettingsFields } }
    ... on UserBanned { ban { until reason user { id } } }
    ... on UserUnbanned { user { id } }
  }
} ${SETTINGS} ${MESSAGE}`;

export const PRESENCE = `subscription ($roomId: ID!, $roomCode: String!, $presenceToken: String) {
  presence(roomId: $roomId, roomCode: $roomCode, presenceToken: $presenceToken) {
    __typename
    ... on PresenceSnapshot { viewerCount userCount users { ...PersonFields } typing { ...ChatterFields } }
    ... on PresenceChanged { viewerCount userCount joined { ...PersonFields } left { id } }
    ... on TypingChanged { typing { ...ChatterFields } }
  }
} fragment PersonFields on PresenceUser { role user { ...ChatterFields } } ${CHATTER}`;
