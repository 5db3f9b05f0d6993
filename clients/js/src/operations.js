// The GraphQL operations of this package.

const CHATTER = 'id displayName avatarUrl isVerified';
const SETTINGS = 'title listed capacity slowModeSeconds locked';
const BAN = `user{${CHATTER}}at until reason`;
const PAGE = 'pageInfo{hasPreviousPage startCursor}nodes{...M reactionsBy(userId:$userId)}';
const MESSAGE = `fragment M on Message{id index author{${CHATTER}}text createdAt editedAt deletedAt clientMessageId replyToId authorRole reactions{emoji count}deletedBy}`;

const KEY = '$roomId:ID!,$roomCode:String!';
const IN_ROOM = 'room(id:$roomId,code:$roomCode)';

/**
 * A mutation whose payload is called `payload` in the response.
 *
 * @param {string} field
 * @param {string} selection
 */
const mutation = (field, selection) =>
  `mutation($input:${field[0].toUpperCase()}${field.slice(1)}Input!){payload:${field}(input:$input){${selection}}}`;

/**
 * A mutation of a message.
 *
 * @param {string} field
 * @param {string} [selection]
 */
const change = (field, selection = 'token ') => mutation(field, `${selection}message{...M}`) + MESSAGE;

export const CREATE_ROOM = 'mutation($input:CreateRoomInput){createRoom(input:$input){ownerToken room{id code expiresAt}}}';

export const ACTIVE_ROOMS = `query($first:Int!,$after:String){activeRooms(first:$first,after:$after){totalCount pageInfo{hasNextPage endCursor}nodes{id title createdAt expiresAt chatterCount viewerCount}}}`;

export const ROOM = `query(${KEY},$userId:ID!){${IN_ROOM}{cursor expiresAt viewerCount settings{${SETTINGS}}messages(last:50){${PAGE}}}}${MESSAGE}`;

export const EARLIER = `query(${KEY},$userId:ID!,$before:String){${IN_ROOM}{messages(last:50,before:$before){${PAGE}}}}${MESSAGE}`;

export const FIND = `query(${KEY},$userId:ID!,$id:ID!){${IN_ROOM}{message(id:$id){...M reactionsBy(userId:$userId)}}}${MESSAGE}`;

export const BANS = `query(${KEY},$ownerToken:String!,$first:Int,$after:String){${IN_ROOM}{bans(ownerToken:$ownerToken,first:$first,after:$after){totalCount pageInfo{hasNextPage endCursor}nodes{${BAN}}}}}`;

export const JOIN = mutation('joinRoom', `token presenceToken user{displayName}`);
export const SEND = change('sendMessage', `token user:author{displayName}`);
export const EDIT = change('editMessage');
export const DELETE = change('deleteMessage');
export const REACT = change('addReaction');
export const UNREACT = change('removeReaction');
export const TYPE = mutation('setTyping', 'until');
export const UPDATE = mutation('updateRoom', `room{settings{${SETTINGS}}}`);
export const REMOVE = change('removeMessage', '');
export const BAN_USER = mutation('banUser', `ban{${BAN}}`);
export const UNBAN_USER = mutation('unbanUser', `user{id}`);
export const END_ROOM = mutation('endRoom', 'roomId');

export const EVENTS = `subscription(${KEY},$after:String){roomEvents(roomId:$roomId,roomCode:$roomCode,after:$after){__typename cursor at...on MessageEvent{message{...M}}...on ReactionsChanged{message{...M}}...on RoomUpdated{settings{${SETTINGS}}}...on UserBanned{ban{${BAN}}}...on UserUnbanned{user{${CHATTER}}}}}${MESSAGE}`;

const PERSON = `user{${CHATTER}}role`;

export const PRESENCE = `subscription(${KEY},$presenceToken:String){presence(roomId:$roomId,roomCode:$roomCode,presenceToken:$presenceToken){__typename...on PresenceSnapshot{viewerCount userCount users{${PERSON}}typing{${CHATTER}}}...on PresenceChanged{viewerCount userCount joined{${PERSON}}left{id}}...on TypingChanged{typing{${CHATTER}}}}}`;
