//! The fast path answers sends and reads exactly as the schema does. A directive without effect keeps a document from the fast
//! path, so every request is sent in both forms. State that is cached for the fast path is not used after it has become stale.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{RoomKey, User, error_code};
use crate::support::http::Client as Http;
use crate::support::http_client;
use crate::support::owner::{OwnedRoom, react};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

/// Sends a request. Returns the status and the body of the response.
async fn post(server: &Server, query: &str, variables: &Value) -> String {
    let body = json!({ "query": query, "variables": variables });
    let http = http_client().build().expect("a client");
    let response = http.post(server.client().url()).json(&body).send().await.expect("a response");
    format!("{} {}", response.status(), response.text().await.expect("its text"))
}

/// The number of responses from the fast path so far.
async fn count_fast_responses(server: &Server) -> u64 {
    let scrape = Http::of(&server.url("")).get("/metrics").await.body;
    let count = scrape.lines().find_map(|line| line.strip_prefix("livechat_graphql_answers_total{path=\"fast\"} "));
    count.expect("the metric of the fast path").parse().expect("a number")
}

/// A directive without effect.
const NEUTRAL: &str = " @include(if: true)";

/// A query, and the same one in a form that only the schema answers. All positions in it stay the same.
fn both_paths(query: &str) -> [String; 2] {
    let (head, field) = query.split_once(") {").expect("an operation with variables");
    let (field, rest) = field.split_once(") {").expect("a field with arguments");
    [" ".repeat(NEUTRAL.len()), NEUTRAL.to_owned()].map(|between| format!("{head}) {{{field}){between} {{{rest}"))
}

const ROOM: &str = "query($id: ID!, $code: String!, $n: Int) { room(id: $id, code: $code) {";
const SEND: &str = "mutation Send($input: SendMessageInput!) {\n  sent: sendMessage(input: $input) {";

/// Selections on a room, including a page of its messages.
const OF_ROOM: [&str; 9] = [
    "title settings { title listed capacity slowModeSeconds locked __typename } messages(last: $n) { nodes { authorRole \
     replyToId deletedBy reactions { __typename emoji count } author { avatarUrl isVerified } } } } }",
    "id code createdAt expiresAt chatterCount cursor __typename messages(last: $n) { totalCount } } }",
    "messages(first: $n) { nodes { id } } } }",
    "messages(last: $n) { nodes { __typename id index text createdAt editedAt deletedAt clientMessageId author { id \
     displayName __typename } } } } }",
    "cursor messages(last: $n) { __typename totalCount edges { __typename cursor node { text } } pageInfo { __typename \
     hasNextPage hasPreviousPage startCursor endCursor } } } }",
    "page: messages(first: $n) { pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }",
    "...R } } fragment R on Room { id messages(last: $n) { nodes { ...M } } } fragment M on Message { text }",
    "messages(first: $n) { edges { c: cursor node { i: index } } } } }",
    "messages(last: $n, first: null) { nodes { text } } } }",
];

async fn room_with_messages(server: &Server) -> RoomKey {
    let owned = OwnedRoom::create_with(&server.client(), json!({ "title": "A \"title\"", "capacity": 7 })).await;
    let (room, mut user) = (owned.key.clone(), User::of(server.client()));
    let texts = ["plain", "\"quoted\" \\ back\\slash", "line\nand\ttab", "é 漢 \u{1f600} \u{2028} </script>", "gone"];
    for (i, text) in texts.into_iter().enumerate() {
        let sent = user.try_send_once(&room, text, (i % 2 == 0).then_some(text).filter(|id| !id.contains('\n'))).await;
        assert!(sent.expect("an answer").get("errors").is_none());
    }
    let page = server.client().query_room(&room, "messages(last: 2) { nodes { id } }").await;
    let id = |i: usize| page["messages"]["nodes"][i]["id"].as_str().expect("an id").to_owned();
    user.edit(&room, &id(0), "edited, \"too\"").await;
    user.try_change(&room, &id(1), None).await.expect("a deletion");
    for emoji in ["👍", "❤️"] {
        react(&mut user, &room, &id(0), emoji, true).await;
    }
    let reply = json!({ "roomId": room.id, "roomCode": room.code, "text": "a reply", "replyToId": id(1),
        "ownerToken": owned.token });
    server.client().data(&format!("{SEND} token }} }}"), json!({ "input": reply })).await;
    room
}

#[tokio::test]
async fn both_paths_read_a_room_alike() {
    let server = Server::embedded();
    let rooms = [server.client().create_room().await, room_with_messages(&server).await];
    for (room, fields) in rooms.iter().flat_map(|room| OF_ROOM.map(|fields| (room, fields))) {
        let [query, longer] = both_paths(&format!("{ROOM} {fields}"));
        for n in [json!(2), json!(0), json!(100), json!(101), json!(-1), Value::Null, json!("2"), json!(2.5), json!([])]
        {
            let variables = json!({ "id": room.id, "code": room.code, "n": n });
            let expected = post(&server, &longer, &variables).await;
            // The first time, the schema answers this form, too.
            for _ in 0..2 {
                assert_eq!(post(&server, &query, &variables).await, expected, "{query} {n}");
            }
        }
    }
    assert!(count_fast_responses(&server).await >= 2 * OF_ROOM.len() as u64, "the plain form takes the fast path");
}

#[tokio::test]
async fn both_paths_refuse_an_unreadable_room_alike() {
    let server = Server::embedded();
    let room = server.client().create_room().await;
    let [query, longer] = both_paths(&format!("{ROOM} code messages(last: $n) {{ totalCount }} }} }}"));
    let right = json!({ "id": room.id, "code": room.code });
    assert!(post(&server, &query, &right).await.starts_with("200 OK {\"data\":{\"room\":{"));
    for (name, value) in [
        ("code", json!("wrong")),
        ("code", json!(123_456)),
        ("code", Value::Null),
        ("id", json!("0123456789abcdef0123456789abcdef")),
        ("id", json!("room:*0123456789abcdef0123456789abcdef")),
        ("id", json!("no id")),
        ("id", json!(7)),
        ("id", json!([room.id])),
        ("n", json!(1_000)),
        ("unused", json!("variable")),
    ] {
        let mut variables = right.clone();
        variables[name] = value;
        assert_eq!(post(&server, &query, &variables).await, post(&server, &longer, &variables).await, "{variables}");
    }
}

#[tokio::test]
async fn both_paths_send_a_message_alike() {
    let server = Server::embedded();
    let room = server.client().create_room().await;
    for (i, fields) in [
        "message { id index text createdAt editedAt deletedAt clientMessageId author { id displayName } } author { id \
         displayName } cursor __typename } }",
        "cursor ...S } } fragment S on SendMessagePayload { message { ...M } } fragment M on Message { t: text }",
        "author { __typename id } } }",
    ]
    .into_iter()
    .enumerate()
    {
        let [query, longer] = both_paths(&format!("{SEND} {fields}"));
        for round in 0..3 {
            let (user, message) = (format!("user-{i}-{round}-of-many"), format!("message {i} {round}"));
            let variables = json!({ "input": { "roomId": room.id, "roomCode": room.code, "userId": user, "text": "hi \"you\"",
                "token": "0123456789abcdef0123456789abcdef", "displayName": "N\u{e4}me", "clientMessageId": message } });
            // The previous token is valid for a repeat, which returns the same message.
            let sent = post(&server, &query, &variables).await;
            assert!(sent.starts_with("200 OK {\"data\":{\"sent\":{"), "{sent}");
            assert_eq!(post(&server, &longer, &variables).await, sent);
            assert_eq!(post(&server, &query, &variables).await, sent);
        }
    }
    assert!(count_fast_responses(&server).await >= 3, "the plain form takes the fast path");
}

#[tokio::test]
async fn both_paths_refuse_an_invalid_message_alike() {
    let server = Server::embedded();
    let (room, mut user) = (server.client().create_room().await, User::of(server.client()));
    user.send(&room, "the first").await;
    let [query, longer] = both_paths(&format!("{SEND} token }} }}"));
    let input = json!({ "roomId": room.id, "roomCode": room.code, "text": "hi" });
    for _ in 0..2 {
        let sent = post(&server, &query, &json!({ "input": input })).await;
        assert!(sent.starts_with("200 OK {\"data\":{\"sent\":{\"token\":\""), "{sent}");
    }
    for (name, value) in [
        ("roomCode", json!("wrong")),
        ("roomId", json!("0123456789abcdef0123456789abcdef")),
        ("roomId", json!(1)),
        ("userId", json!("short")),
        ("userId", json!(user.id)),
        ("userId", json!(12)),
        ("text", json!("")),
        ("text", Value::Null),
        ("text", json!(["a list"])),
        ("displayName", json!("")),
        ("clientMessageId", json!("")),
        ("replyToId", json!("nonsense")),
        ("replyToId", json!(format!("{}-99", room.id))),
        ("replyToId", json!(3)),
        ("ownerToken", json!("wrong")),
        ("ownerToken", json!(["wrong"])),
        ("another", json!("field")),
    ] {
        let mut input = input.clone();
        input[name] = value;
        let variables = json!({ "input": input });
        let (short, long) = (post(&server, &query, &variables).await, post(&server, &longer, &variables).await);
        assert!(short.contains("\"errors\":["), "{short}");
        assert_eq!(short, long, "{variables}");
    }
    for variables in [json!({}), json!({ "input": null }), json!({ "input": [] }), json!({ "input": { "text": "hi" } })]
    {
        assert_eq!(post(&server, &query, &variables).await, post(&server, &longer, &variables).await, "{variables}");
    }
}

#[tokio::test]
async fn a_room_that_redis_lost_is_not_found_although_it_was_used_before() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let (room, mut user) = (server.client().create_room().await, User::of(server.client()));
    user.send(&room, "kept for now").await;
    redis.command(&["FLUSHALL"]).await;
    for _ in 0..2 {
        let answer = user.try_send(&room, "too late").await.expect("an answer");
        assert_eq!(error_code(&answer), "ROOM_NOT_FOUND");
    }
    assert_eq!(redis.query::<usize>(&["DBSIZE"]).await, 0, "a refused message registers no user");
}

#[tokio::test]
async fn a_room_that_has_ended_is_not_found_although_it_was_used_before() {
    let server = Server::with(&[("ROOM_TTL", "4s"), ("RATE_LIMITS", "off")]);
    let (room, mut user) = (server.client().create_room().await, User::of(server.client()));
    let mut accepted = 0;
    let refused = loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let answer = user.try_send(&room, "still here").await.expect("an answer");
        match answer.get("errors") {
            None => accepted += 1,
            Some(_) => break error_code(&answer),
        }
    };
    assert!(accepted > 0, "no message was accepted before");
    assert_eq!(refused, "ROOM_NOT_FOUND");
    let answer = user.try_send(&room, "still here").await.expect("an answer");
    assert_eq!(error_code(&answer), "ROOM_NOT_FOUND");
}

#[tokio::test]
async fn a_page_that_was_read_before_shows_every_change_on_every_node() {
    let redis = RedisServer::start().await;
    let embedded = [Server::embedded()];
    let on_redis = [Server::on_redis(&redis.url()), Server::on_redis(&redis.url())];
    for nodes in [&embedded[..], &on_redis[..]] {
        let (room, mut user) = (nodes[0].client().create_room().await, User::of(nodes[0].client()));
        let message = user.send(&room, "first").await["id"].as_str().expect("an id").to_owned();
        user.send(&room, "second").await;
        let pages = async |expected: Value| {
            // Both the room's page and its messages are cached after the first reads.
            for node in nodes.iter().flat_map(|node| [node; 4]) {
                let page = node.client().query_room(&room, "messages { nodes { text } }").await;
                assert_eq!(page["messages"]["nodes"], expected);
            }
        };
        pages(json!([{ "text": "first" }, { "text": "second" }])).await;
        user.edit(&room, &message, "edited").await;
        pages(json!([{ "text": "edited" }, { "text": "second" }])).await;
        user.send(&room, "third").await;
        pages(json!([{ "text": "edited" }, { "text": "second" }, { "text": "third" }])).await;
        user.delete(&room, &message).await;
        pages(json!([{ "text": null }, { "text": "second" }, { "text": "third" }])).await;
    }
}
