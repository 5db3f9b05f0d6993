// The tabs of a first chat, one per step, and the code that fills their variables from the responses.
//
// The page that loads GraphiQL from a CDN serves this file unchanged, so it must not import anything.

const IN_ROOM = { roomId: '', roomCode: '' };
const AS_USER = { ...IN_ROOM, userId: null, token: null };
const OF_MESSAGE = { ...AS_USER, messageId: '' };

/** The query and variables of each tab. */
const steps = [
  {
    query: `# A first chat, one step per tab.
# Run this tab first: its response fills
# the variables of the others.
mutation createRoom {
  createRoom {
    room { id code cursor expiresAt }
  }
}
`,
  },
  {
    variables: AS_USER,
    query: `# The first message registers its user.
# Every response has the token for the
# next action.
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
    query: `# Events since the cursor "after", then
# live events. Changing the tab ends the
# subscription. Run it again to see what
# you missed, or take the next steps in a
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
      text: "Hello, all"
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
    query: `# To show a room and then follow it
# without missing anything, subscribe
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

const format = (variables) => JSON.stringify(variables, null, 2);

/** The tabs in the form that GraphiQL expects. */
export const tabs = steps.map(({ query, variables }) => ({ query, variables: variables && format(variables) }));

/** The variables, by name, that the response of a step provides. */
export function variablesFrom(response) {
  const data = parse(response)?.data;
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

/** Replaces those of `variables` that are in `values`. Returns the same text if nothing changes. */
export function fillIn(variables, values) {
  const current = parse(variables);
  const names = Object.keys(values).filter((name) => values[name] !== undefined && current && name in current);
  if (names.every((name) => current[name] === values[name])) return variables;
  return format({ ...current, ...Object.fromEntries(names.map((name) => [name, values[name]])) });
}

function parse(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null; // Incomplete, or not JSON.
  }
}
