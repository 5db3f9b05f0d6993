// The source for Relay's compiler.

import relay from 'relay-runtime';

const { graphql } = relay;

graphql`
  query relayReadQuery($id: ID!, $code: String!) {
    room(id: $id, code: $code) { id messages(last: 10) { nodes { ...relayLine @relay(mask: false) } } }
  }
`;
graphql`
  mutation relayCreateMutation {
    createRoom { room { id code } }
  }
`;
graphql`
  mutation relaySendMutation($input: SendMessageInput!) {
    sendMessage(input: $input) { message { ...relayLine @relay(mask: false) } }
  }
`;
graphql`
  subscription relayFollowSubscription($id: ID!, $code: String!) {
    messageEvents(roomId: $id, roomCode: $code) { message { ...relayLine @relay(mask: false) } }
  }
`;
graphql`
  fragment relayLine on Message { id text }
`;
