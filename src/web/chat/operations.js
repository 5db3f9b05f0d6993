// The GraphQL operations of the page besides those of the client package. Each export is one complete document; a server with
// TRUSTED_DOCUMENTS lists them all.

/** Where the room's log ends now. */
export const CURSOR = 'query ($id: ID!, $code: String!) { room(id: $id, code: $code) { cursor } }';

export const CHATTERS = `query ($id: ID!, $code: String!, $after: String) {
  room(id: $id, code: $code) {
    chatterCount
    chatters(first: 50, after: $after) { pageInfo { hasNextPage endCursor } nodes { id displayName avatarUrl isVerified } }
  }
}`;
