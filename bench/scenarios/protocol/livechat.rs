//! Livechat's GraphQL schema, with subscriptions over `graphql-transport-ws` that resume from a cursor.

use serde_json::{Value, json};

use super::{Author, Protocol, Request, Step};
use crate::subscription::{ACKNOWLEDGED, SubscriptionOptions, init_frame, subscribe_frame};
use crate::support::client::{RoomKey, SEND};

const READ: &str = "query($id: ID!, $code: String!) { room(id: $id, code: $code) {
    messages(last: 50) { nodes { id index text createdAt author { id displayName } } } } }";

pub struct Livechat;

fn post(query: &str, variables: &Value) -> Request {
    Request::Post("/graphql".to_owned(), json!({ "query": query, "variables": variables }).to_string())
}

impl Protocol for Livechat {
    fn socket_path(&self, _: &RoomKey, _: &SubscriptionOptions) -> String {
        "/graphql".to_owned()
    }

    fn greeting(&self, options: &SubscriptionOptions) -> Vec<Step> {
        vec![Step::Send(init_frame(options)), Step::Expect(ACKNOWLEDGED)]
    }

    fn subscription(&self, room: &RoomKey, options: &SubscriptionOptions) -> Vec<Step> {
        vec![Step::Send(subscribe_frame(room, options))]
    }

    fn send_request(&self, author: &Author, text: &str) -> Request {
        let Author { room, id, token } = author;
        let input = json!({ "roomId": room.id, "roomCode": room.code, "text": text, "userId": id, "token": token });
        post(SEND, &json!({ "input": input }))
    }

    fn on_sent(&self, author: &mut Author, response: &str) {
        let response: Value = serde_json::from_str(response).expect("JSON");
        let sent = &response["data"]["sendMessage"];
        assert!(sent["token"].is_string(), "a send was refused: {response}");
        (author.id, author.token) = (sent["author"]["id"].clone(), sent["token"].clone());
    }

    fn read_request(&self, room: &RoomKey) -> Request {
        post(READ, &json!({ "id": room.id, "code": room.code }))
    }
}
