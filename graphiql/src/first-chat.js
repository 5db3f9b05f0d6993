// A first chat, a tab for each step, and how the answer to one step fills the variables of the others.
//
// The page that loads GraphiQL from a CDN uses this file as it is, so it imports nothing.

const IN_ROOM = { roomId: '', roomCode: '' };
const AS_USER = { ...IN_ROOM, userId: null, token: null };
const OF_MESSAGE = { ...AS_USER, messageId: '' };

/** What stands in each tab. */
const steps = [
  {
    query: `# A first chat, a step in each tab.
# This one first: the variables of the
# others come from its answer.
mutation createRoom {
  createRoom {
    room { id code cursor expiresAt }
  }
}
`,
  },
  {
    variables: AS_USER,
    query: `# The first message makes its user known.
# Every action answers with the token for
# the next one.
mutation sendMessage(
  $roomId: ID!
  $roomCode: String!
  $userId: ID
  $token: String
) {
  sendMessage(
    input: {
      roomId: $roomId
      roomCode: $roomCode
      userId: $userId
      token: $token
      displayName: "Ada"
      text: "Hello"
    }
  ) {
    message { id text }
    author { id displayName }
    token
  }
}
`,
  },
  {
    variables: { ...IN_ROOM, after: null },
    query: `# What happened since the cursor "after",
# and then what happens. Going to another
# tab ends it. Run it again to see what it
# missed, or take the next steps in a
# second window.
subscription messageEvents(
  $roomId: ID!
  $roomCode: String!
  $after: String
) {
  messageEvents(
    roomId: $roomId
    roomCode: $roomCode
    after: $after
  ) {
    __typename
    cursor
    at
    message {
      id
      index
      text
      author { id displayName }
      editedAt
      deletedAt
    }
  }
}
`,
  },
  {
    variables: OF_MESSAGE,
    query: `mutation editMessage(
  $roomId: ID!
  $roomCode: String!
  $userId: ID!
  $token: String!
  $messageId: ID!
) {
  editMessage(
    input: {
      roomId: $roomId
      roomCode: $roomCode
      userId: $userId
      token: $token
      messageId: $messageId
      text: "Mended"
    }
  ) {
    message { id text editedAt }
    token
  }
}
`,
  },
  {
    variables: OF_MESSAGE,
    query: `mutation deleteMessage(
  $roomId: ID!
  $roomCode: String!
  $userId: ID!
  $token: String!
  $messageId: ID!
) {
  deleteMessage(
    input: {
      roomId: $roomId
      roomCode: $roomCode
      userId: $userId
      token: $token
      messageId: $messageId
    }
  ) {
    message { id text deletedAt }
    token
  }
}
`,
  },
  {
    variables: IN_ROOM,
    query: `# To show a room and then follow it with
# nothing missed in between, subscribe
# with this cursor as "after".
query room($roomId: ID!, $roomCode: String!) {
  room(id: $roomId, code: $roomCode) {
    cursor
    chatterCount
    viewerCount
    messages(last: 20) {
      nodes {
        id
        index
        text
        author { displayName }
      }
    }
  }
}
`,
  },
];

const written = (variables) => JSON.stringify(variables, null, 2);

/** The tabs as GraphiQL takes them. */
export const tabs = steps.map(({ query, variables }) => ({ query, variables: variables && written(variables) }));

/** The variables that the answer of a step gives, by name; none if it gives none. */
export function learned(response) {
  const data = read(response)?.data;
  if (data?.createRoom) {
    const { id, code, cursor } = data.createRoom.room ?? {};
    return { roomId: id, roomCode: code, after: cursor, messageId: '' };
  }
  if (data?.sendMessage) {
    const { author, message, token } = data.sendMessage;
    return { userId: author?.id, messageId: message?.id, token };
  }
  return { token: (data?.editMessage ?? data?.deleteMessage)?.token };
}

/** These variables with the values that were learned; as they are where they have no such names. */
export function filled(variables, values) {
  const now = read(variables);
  const names = Object.keys(values).filter((name) => values[name] !== undefined && now && name in now);
  if (names.every((name) => now[name] === values[name])) return variables;
  return written({ ...now, ...Object.fromEntries(names.map((name) => [name, values[name]])) });
}

function read(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null; // Not whole, or not JSON: nothing to learn from, nothing to fill.
  }
}
