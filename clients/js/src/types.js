// The types of this package.

/**
 * @typedef {'MEMBER' | 'OWNER'} Role
 *
 * @typedef {object} Chatter A user in a room.
 * @property {string} id Begins with `@` if the host site vouches for the user.
 * @property {string} displayName
 * @property {string | null} avatarUrl
 * @property {boolean} isVerified Whether the host site vouches for the user.
 *
 * @typedef {object} Person Somebody who is in the room now.
 * @property {Chatter} user
 * @property {Role} role
 *
 * @typedef {object} Message A message as the server has it.
 * @property {string} id
 * @property {number} index Its place in the room, from 0.
 * @property {Chatter} author
 * @property {string | null} text Null once the message is deleted.
 * @property {string} createdAt
 * @property {string | null} editedAt
 * @property {string | null} deletedAt
 * @property {string | null} clientMessageId
 * @property {string | null} replyToId The message that this one answers; `Room.find` loads it.
 * @property {Role} authorRole
 * @property {{ emoji: string, count: number }[]} reactions
 * @property {Role | null} deletedBy
 * @property {readonly string[]} myReactions The emoji with which the user of this client has reacted.
 * @property {'sent'} status
 *
 * @typedef {object} PendingMessage A message that is being sent.
 * @property {string} id The same as `clientMessageId`.
 * @property {null} index
 * @property {Chatter} author
 * @property {string} text
 * @property {string} createdAt
 * @property {null} editedAt
 * @property {null} deletedAt
 * @property {string} clientMessageId
 * @property {string | null} replyToId
 * @property {Role} authorRole
 * @property {readonly never[]} reactions
 * @property {null} deletedBy
 * @property {readonly never[]} myReactions
 * @property {'sending' | 'waiting' | 'failed'} status `waiting`: it will be repeated, see `error`. `failed`: `Room.retry` or
 *   `Room.discard` it.
 * @property {LiveChatError | null} error Why it waits or has failed.
 *
 * @typedef {object} RoomSettings
 * @property {string | null} title
 * @property {boolean} listed Whether `activeRooms` lists the room.
 * @property {number | null} capacity Viewers at once.
 * @property {number} slowModeSeconds Seconds between two messages of one user.
 * @property {boolean} locked Whether only the owner may write.
 *
 * @typedef {object} Ban
 * @property {Chatter} user
 * @property {string} at
 * @property {string | null} until
 * @property {string | null} reason
 *
 * @typedef {'connecting' | 'live' | 'lost' | 'ended' | 'closed'} Connection `lost`: it is being restored. `ended`: the room has
 *   ended. `closed`: the room was left, or `error` says why it cannot be read.
 *
 * @typedef {object} RoomState A snapshot, which does not change.
 * @property {string} roomId
 * @property {Connection} connection
 * @property {LiveChatError | null} error The last error of the connection; null while it is live.
 * @property {string} cursor Of the last event that this state includes.
 * @property {(Message | PendingMessage)[]} messages In their order; those that are being sent come last.
 * @property {boolean} hasEarlier Whether `loadEarlier` would find messages.
 * @property {Person[]} people Who is here now, at most 1,000.
 * @property {number} userCount How many are here now.
 * @property {number} viewerCount Open subscriptions of the room.
 * @property {Chatter[]} typing Who is typing, without the user of this client.
 * @property {RoomSettings | null} settings Null until the room has been read.
 * @property {string | null} expiresAt When the room ends.
 * @property {{ id: string, displayName: string | null, isKnown: boolean }} user The user of this client. `isKnown`: it has acted,
 *   in any room, under this name.
 * @property {boolean} isOwner Whether this client has the owner's token, or the user is shown as an owner.
 * @property {Ban | null} ban The ban of this client's user, if it was banned while this client was here.
 *
 * @typedef {{ cursor: string, at: string } & (
 *   | { __typename: 'MessageSent' | 'MessageEdited' | 'MessageDeleted' | 'ReactionsChanged', message: Message }
 *   | { __typename: 'RoomUpdated', settings: RoomSettings }
 *   | { __typename: 'UserBanned', ban: Ban }
 *   | { __typename: 'UserUnbanned', user: Chatter }
 *   | { __typename: 'RoomEnded' }
 * )} LogEvent An event of the room's log.
 *
 * @typedef {{ __typename: 'RoomReloaded', cursor: string }} RoomReloaded The server has lost its last writes, so the room was
 *   read again: messages may be gone.
 *
 * @typedef {LogEvent | RoomReloaded} RoomEvent
 *
 * @typedef {object} PresenceState
 * @property {number} viewerCount
 * @property {number} userCount
 * @property {Person[]} users
 * @property {Chatter[]} typing
 */

/**
 * @template Item
 * @typedef {object} Page
 * @property {number} totalCount Of all pages.
 * @property {{ hasNextPage: boolean, endCursor: string | null }} pageInfo `endCursor` is `after` of the next page.
 * @property {Item[]} nodes
 */

/**
 * @typedef {object} ActiveRoom
 * @property {string} id
 * @property {string | null} title
 * @property {string} createdAt
 * @property {string} expiresAt
 * @property {number} chatterCount
 * @property {number} viewerCount
 *
 * @typedef {object} CreatedRoom
 * @property {string} roomId
 * @property {string} roomCode
 * @property {string} ownerToken
 * @property {string} expiresAt
 *
 * @typedef {object} RoomKey
 * @property {string} roomId
 * @property {string} roomCode
 *
 * @typedef {object} JoinOptions
 * @property {string} roomId
 * @property {string} roomCode
 * @property {{ id?: string, token?: string, displayName?: string }} [user] Default: a user whom this browser remembers. With an
 *   `id`, that user; `token` is the one of its last action, unless this client has stored a newer one.
 * @property {string | (() => string | Promise<string>)} [identity] The token with which your site vouches for its user, or a
 *   function that returns a current one.
 * @property {string} [ownerToken] Default: the one that `createRoom` got in this browser.
 * @property {boolean} [isVisible] Whether others see the user in the room before it writes; default true.
 * @property {AbortSignal} [signal] Leaves the room when aborted.
 *
 * @typedef {object} SendOptions
 * @property {string | null} [replyToId] The message that this one answers.
 * @property {string} [clientMessageId] Default: a random one. A message is stored once, however often it is sent.
 *
 * @typedef {object} Storage Keeps values between visits, like `localStorage`.
 * @property {(key: string) => string | null} getItem
 * @property {(key: string, value: string) => void} setItem
 */

/** @import { LiveChatError } from './errors.js' */

export {};
