//! The schema that the GraphQL peers have in common, with subscriptions over `graphql-transport-ws`.

use serde_json::{Value, json};

use super::{Author, PAGE, Protocol, Request, Step, USER};
use crate::subscription::{ACKNOWLEDGED, SubscriptionOptions, init_frame, operation_frame};
use crate::support::client::RoomKey;

const SEND: &str = "mutation($roomId: ID!, $userId: ID!, $displayName: String!, $text: String!) {
    sendMessage(roomId: $roomId, userId: $userId, displayName: $displayName, text: $text) {
        id text createdAt author { id displayName } } }";
const READ: &str = "query($roomId: ID!, $last: Int!) {
    messages(roomId: $roomId, last: $last) { id text createdAt author { id displayName } } }";
const EVENTS: &str = "subscription($roomId: ID!) {
    messageSent(roomId: $roomId) { id text createdAt author { id displayName } } }";

pub struct Graphql;

fn post(query: &str, variables: &Value) -> Request {
    Request::Post("/graphql".to_owned(), json!({ "query": query, "variables": variables }).to_string())
}

impl Protocol for Graphql {
    fn socket_path(&self, _: &RoomKey, _: &SubscriptionOptions) -> String {
        "/graphql".to_owned()
    }

    fn greeting(&self, options: &SubscriptionOptions) -> Vec<Step> {
        vec![Step::Send(init_frame(options)), Step::Expect(ACKNOWLEDGED)]
    }

    /// Queries the missed messages after it has subscribed, on the same socket.
    fn subscription(&self, room: &RoomKey, options: &SubscriptionOptions) -> Vec<Step> {
        let mut steps = vec![Step::Send(operation_frame(&options.operation_id, EVENTS, &json!({ "roomId": room.id })))];
        if options.missed > 0 {
            let variables = json!({ "roomId": room.id, "last": options.missed });
            steps.push(Step::Send(operation_frame("missed", READ, &variables)));
        }
        steps
    }

    fn send_request(&self, author: &Author, text: &str) -> Request {
        let (user, name) = USER;
        post(SEND, &json!({ "roomId": author.room.id, "userId": user, "displayName": name, "text": text }))
    }

    fn on_sent(&self, _: &mut Author, response: &str) {
        assert!(response.contains("createdAt"), "a send was refused: {response}");
    }

    fn read_request(&self, room: &RoomKey) -> Request {
        post(READ, &json!({ "roomId": room.id, "last": PAGE }))
    }
}
