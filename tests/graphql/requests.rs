//! GraphQL over HTTP: a whole chat round, and the errors of invalid input.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::support::client::{Client, DELETE, EDIT, RoomKey, SEND, User, text};
use crate::support::http_client;
use crate::support::server::Server;

const ROOM: &str = "query($id: ID!, $code: String!) { room(id: $id, code: $code) {
    id code createdAt expiresAt chatterCount viewerCount cursor
    chatters { totalCount nodes { id displayName } }
    messages { totalCount nodes { id index text createdAt editedAt deletedAt clientMessageId author { displayName } }
               pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";

async fn room(client: &Client, key: &RoomKey) -> Value {
    client.data(ROOM, json!({ "id": key.id, "code": key.code })).await["room"].clone()
}

#[tokio::test]
async fn a_room_is_created_and_messages_are_sent_edited_and_deleted() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let client = server.client();
        let key = client.create_room().await;
        assert_eq!(key.id.len(), 32);
        assert!(key.code.len() == 6 && key.code.bytes().all(|b| b.is_ascii_digit()));

        let mut ada = User::of(client.clone());
        let first = ada.send(&key, "first").await;
        let second = ada.send(&key, "second\n\tline").await;
        assert_eq!((&first["index"], &second["index"]), (&json!(0), &json!(1)));
        let edited = ada.edit(&key, &text(&first["id"]), "first, mended").await;
        assert!(edited["editedAt"].is_string());
        let deleted = ada.delete(&key, &text(&second["id"])).await;
        assert!(deleted["deletedAt"].is_string() && deleted["text"].is_null());

        let seen = room(&client, &key).await;
        let nodes = &seen["messages"]["nodes"];
        assert_eq!(nodes[0]["text"], "first, mended");
        assert_eq!(nodes[1]["text"], Value::Null);
        assert_eq!(seen["messages"]["totalCount"], 2);
        assert_eq!(seen["chatterCount"], 1);
        assert_eq!(seen["chatters"]["nodes"][0]["id"], ada.id.clone().expect("an assigned id"));
        assert!(text(&seen["chatters"]["nodes"][0]["displayName"]).starts_with("Anon#"));
        let moment = text(&seen["createdAt"]);
        assert!(moment.len() == 24 && moment.ends_with('Z'), "{moment} has no milliseconds in UTC");
    }
}

#[tokio::test]
async fn the_legacy_form_of_a_room_id_opens_the_same_room() {
    let server = Server::embedded();
    let key = server.client().create_room().await;
    let legacy = RoomKey { id: format!("room:*{}", key.id), ..key.clone() };
    assert_eq!(room(&server.client(), &legacy).await["id"], key.id);
}

#[tokio::test]
async fn pages_of_messages_cover_the_room_from_both_ends() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, mut ada) = (server.client(), User::of(server.client()));
        let key = client.create_room().await;
        for i in 0..120 {
            ada.send(&key, &i.to_string()).await;
        }
        let expected: Vec<_> = (0..120).map(|i| Some(i.to_string())).collect();
        assert_eq!(client.texts(&key).await, expected);

        let newest = room(&client, &key).await["messages"].clone();
        assert_eq!(newest["nodes"].as_array().map(Vec::len), Some(50), "without arguments the last 50");
        assert_eq!(newest["nodes"][49]["text"], "119");
        assert_eq!(newest["pageInfo"]["hasPreviousPage"], true);
        assert_eq!(newest["pageInfo"]["hasNextPage"], false);
        let query = "query($id: ID!, $code: String!, $before: String) { room(id: $id, code: $code) {
            messages(last: 100, before: $before) { nodes { text } pageInfo { hasPreviousPage hasNextPage } } } }";
        let before = &newest["pageInfo"]["startCursor"];
        let data = client.data(query, json!({ "id": key.id, "code": key.code, "before": before })).await;
        let older = &data["room"]["messages"];
        assert_eq!(older["nodes"].as_array().map(Vec::len), Some(70));
        assert_eq!(older["nodes"][69]["text"], "69");
        assert_eq!(older["pageInfo"], json!({ "hasPreviousPage": false, "hasNextPage": true }));
    }
}

#[tokio::test]
async fn a_repeated_send_returns_the_first_result_and_a_lost_response_locks_no_user_out() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let client = server.client();
        let key = client.create_room().await;
        let own = "0123456789abcdef0123456789abcdef";
        let first = json!({ "input": { "roomId": key.id, "roomCode": key.code, "userId": "somebody-new",
            "token": own, "text": "hello", "clientMessageId": "1" } });
        let answer = client.data(SEND, first.clone()).await["sendMessage"].clone();
        let again = client.data(SEND, first.clone()).await["sendMessage"].clone();
        assert_eq!(again, answer, "a token of the client's own makes even the first action repeatable");

        let mut second = first.clone();
        second["input"]["token"] = answer["token"].clone();
        second["input"]["clientMessageId"] = json!("2");
        let sent = client.data(SEND, second.clone()).await["sendMessage"].clone();
        let repeated = client.data(SEND, second.clone()).await["sendMessage"].clone();
        assert_eq!(repeated, sent);
        assert_eq!(
            client.code(SEND, first.clone()).await,
            "TOKEN_INVALID",
            "a token is invalid once its successor was used"
        );
        assert_eq!(client.texts(&key).await.len(), 2);
    }
}

#[tokio::test]
async fn every_response_to_concurrent_uses_of_a_token_has_a_valid_token() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let client = server.client();
        let key = client.create_room().await;
        let mut ada = User::of(client.clone());
        ada.send(&key, "first").await;
        let (id, token) = (ada.id.clone(), ada.token.clone());
        let race = (0..20).map(|i| {
            let (client, key, id, token) = (client.clone(), key.clone(), id.clone(), token.clone());
            async move {
                let mut racer = User { id, token, ..User::of(client) };
                racer.send(&key, &format!("racer {i}")).await;
                racer
            }
        });
        for mut racer in futures_util::future::join_all(race).await {
            racer.send(&key, "again").await;
        }
        assert_eq!(client.texts(&key).await.len(), 41);
    }
}

#[tokio::test]
async fn invalid_input_is_refused_with_its_code_and_changes_nothing() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let client = server.client();
        let (key, other) = (client.create_room().await, client.create_room().await);
        let (mut ada, mut bob) = (User::of(client.clone()), User::of(client.clone()));
        let message = ada.send(&key, "Ada's").await;
        bob.send(&key, "Bob's").await;
        let elsewhere = ada.send(&other, "elsewhere").await;

        let send = |change: Value| {
            let mut input = json!({ "roomId": key.id, "roomCode": key.code, "text": "x" });
            merge(&mut input, change);
            (SEND, input)
        };
        let edit = |change: Value| {
            let mut input = json!({ "roomId": key.id, "roomCode": key.code, "userId": ada.id, "token": ada.token,
                "messageId": message["id"], "text": "changed" });
            merge(&mut input, change);
            (EDIT, input)
        };
        let missing = format!("{}-99", key.id);
        let nowhere = "0".repeat(32);
        let cases = [
            (send(json!({ "roomId": "1" })), "VALIDATION_FAILED", Some("roomId")),
            (send(json!({ "roomId": nowhere })), "ROOM_NOT_FOUND", None),
            (send(json!({ "roomCode": "wrong" })), "ROOM_CODE_INVALID", None),
            (send(json!({ "roomCode": "" })), "ROOM_CODE_INVALID", None),
            (send(json!({ "roomCode": other.code, "roomId": key.id.to_uppercase() })), "ROOM_CODE_INVALID", None),
            (send(json!({ "userId": "too-short" })), "VALIDATION_FAILED", Some("userId")),
            (send(json!({ "userId": "x".repeat(129) })), "VALIDATION_FAILED", Some("userId")),
            (send(json!({ "userId": ada.id })), "TOKEN_INVALID", None),
            (send(json!({ "userId": ada.id, "token": bob.token })), "TOKEN_INVALID", None),
            (send(json!({ "userId": ada.id, "token": "" })), "TOKEN_INVALID", None),
            (send(json!({ "text": "" })), "VALIDATION_FAILED", Some("text")),
            (send(json!({ "text": "x".repeat(4001) })), "VALIDATION_FAILED", Some("text")),
            (send(json!({ "text": "a\u{0}b" })), "VALIDATION_FAILED", Some("text")),
            (send(json!({ "displayName": "" })), "VALIDATION_FAILED", Some("displayName")),
            (send(json!({ "displayName": "x".repeat(65) })), "VALIDATION_FAILED", Some("displayName")),
            (send(json!({ "clientMessageId": "" })), "VALIDATION_FAILED", Some("clientMessageId")),
            (send(json!({ "text": 1 })), "GRAPHQL_VALIDATION_FAILED", None),
            (send(json!({ "text": null })), "GRAPHQL_VALIDATION_FAILED", None),
            (send(json!({ "unknown": 1 })), "GRAPHQL_VALIDATION_FAILED", None),
            (edit(json!({ "messageId": "17" })), "VALIDATION_FAILED", Some("messageId")),
            (edit(json!({ "messageId": missing })), "MESSAGE_NOT_FOUND", None),
            (edit(json!({ "messageId": elsewhere["id"] })), "MESSAGE_NOT_FOUND", None),
            (edit(json!({ "userId": "nobody-at-all" })), "TOKEN_INVALID", None),
            (edit(json!({ "userId": bob.id, "token": bob.token })), "NOT_AUTHOR", None),
            (edit(json!({ "text": "" })), "VALIDATION_FAILED", Some("text")),
        ];
        for ((query, input), code, field) in cases {
            let answer = client.request(query, json!({ "input": input })).await;
            let extensions = &answer["errors"][0]["extensions"];
            assert_eq!(extensions["code"], code, "{input} was answered with {answer}");
            assert_eq!(extensions["field"].as_str(), field, "{input} was answered with {answer}");
        }
        let texts = [Some("Ada's".to_owned()), Some("Bob's".to_owned())];
        assert_eq!(client.texts(&key).await, texts, "something was stored");
        assert_eq!(room(&client, &key).await["chatterCount"], 2);

        // The token is still valid after a refused action.
        ada.delete(&key, &text(&message["id"])).await;
        let gone = json!({ "input": { "roomId": key.id, "roomCode": key.code, "userId": ada.id, "token": ada.token,
            "messageId": message["id"] } });
        assert_eq!(client.code(DELETE, gone).await, "MESSAGE_NOT_FOUND");
        ada.send(&key, "still here").await;
    }
}

#[tokio::test]
async fn a_full_room_refuses_sends_and_does_not_register_the_new_user() {
    let server = Server::with(&[("ROOM_MAX_MESSAGES", "2")]);
    let client = server.client();
    let (full, other) = (client.create_room().await, client.create_room().await);
    let mut ada = User::of(client.clone());
    ada.send(&full, "one").await;
    ada.send(&full, "two").await;
    let input = |room: &RoomKey| {
        json!({ "input": { "roomId": room.id, "roomCode": room.code, "text": "three",
        "userId": "a-newcomer-here" } })
    };
    assert_eq!(client.code(SEND, input(&full)).await, "ROOM_FULL");
    client.data(SEND, input(&other)).await;
}

#[tokio::test]
async fn invalid_pages_and_cursors_are_refused() {
    let server = Server::embedded();
    let client = server.client();
    let (key, other) = (client.create_room().await, client.create_room().await);
    let mut ada = User::of(client.clone());
    ada.send(&key, "one").await;
    ada.send(&other, "one").await;
    let foreign = text(&room(&client, &other).await["messages"]["pageInfo"]["endCursor"]);
    let event = text(&room(&client, &key).await["cursor"]);
    let error_of = async |field: &str| {
        let query = format!("{{ room(id: \"{}\", code: \"{}\") {{ {field} }} }}", key.id, key.code);
        client.code(&query, json!({})).await
    };
    assert_eq!(error_of("messages(first: 101) { totalCount }").await, "VALIDATION_FAILED");
    assert_eq!(error_of("messages(last: -1) { totalCount }").await, "VALIDATION_FAILED");
    assert_eq!(error_of("messages(first: 1, last: 1) { totalCount }").await, "VALIDATION_FAILED");
    assert_eq!(error_of(&format!("messages(after: \"{foreign}\") {{ totalCount }}")).await, "CURSOR_INVALID");
    assert_eq!(error_of(&format!("messages(after: \"{event}\") {{ totalCount }}")).await, "CURSOR_INVALID");
    assert_eq!(error_of("messages(before: \"made up\") { totalCount }").await, "CURSOR_INVALID");
    assert_eq!(error_of("chatters(after: \"made up\") { totalCount }").await, "CURSOR_INVALID");
    assert_eq!(client.code("{ activeRooms(first: 101) { totalCount } }", json!({})).await, "VALIDATION_FAILED");
    assert_eq!(client.code("{ activeRooms(after: \"x\") { totalCount } }", json!({})).await, "CURSOR_INVALID");
}

#[tokio::test]
async fn active_rooms_are_listed_newest_first_page_by_page_without_their_codes() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let client = server.client();
        let mut made = Vec::new();
        for _ in 0..7 {
            made.push(client.create_room().await.id);
        }
        let query = "query($after: String) { activeRooms(first: 3, after: $after) { totalCount
            edges { cursor node { id } } nodes { id createdAt expiresAt chatterCount viewerCount }
            pageInfo { hasNextPage endCursor } } }";
        let (mut listed, mut times, mut after) = (Vec::new(), Vec::new(), Value::Null);
        loop {
            let page = client.data(query, json!({ "after": after })).await["activeRooms"].clone();
            assert_eq!(page["totalCount"], 7);
            for node in page["nodes"].as_array().expect("nodes") {
                listed.push(text(&node["id"]));
                times.push(text(&node["createdAt"]));
            }
            if page["pageInfo"]["hasNextPage"] != true {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        assert_eq!(listed.len(), 7);
        assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
        assert_eq!(listed.iter().collect::<HashSet<_>>(), made.iter().collect::<HashSet<_>>());
        assert_eq!(client.code("{ activeRooms { nodes { code } } }", json!({})).await, "GRAPHQL_VALIDATION_FAILED");
    }
}

#[tokio::test]
async fn requests_that_are_not_graphql_get_a_clear_error() {
    let server = Server::embedded();
    let http = http_client().build().expect("a client");
    let url = server.url("/graphql");
    let get = |query: &str| http.get(format!("{url}?query={query}")).header("accept", "application/json");
    let post = |content_type: &'static str, body: &'static str| {
        http.post(&url).header("content-type", content_type).body(body)
    };
    for (request, status, code) in [
        (post("application/json", "garbage"), 400, "BAD_REQUEST"),
        (post("application/json", ""), 400, "BAD_REQUEST"),
        (post("application/json", "{}"), 400, "BAD_REQUEST"),
        (post("application/json", r#"{"query":1}"#), 400, "BAD_REQUEST"),
        (post("application/json", r#"[{"query":"{__typename}"}]"#), 400, "BATCH_NOT_SUPPORTED"),
        (post("text/plain", r#"{"query":"{__typename}"}"#), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (post("application/x-www-form-urlencoded", "query={__typename}"), 415, "UNSUPPORTED_MEDIA_TYPE"),
        (post("application/json", r#"{"query":"{"}"#), 200, "GRAPHQL_PARSE_FAILED"),
        (
            post("application/json", r#"{"query":"{"}"#).header("accept", "application/graphql-response+json"),
            400,
            "GRAPHQL_PARSE_FAILED",
        ),
        (http.get(&url), 400, "BAD_REQUEST"),
        (get("mutation{createRoom{room{id}}}"), 405, "METHOD_NOT_ALLOWED"),
        (get("{createRoom{room{id}}}"), 200, "METHOD_NOT_ALLOWED"),
        (http.post(&url).header("content-type", "application/json").body(vec![b' '; 70_000]), 413, "PAYLOAD_TOO_LARGE"),
    ] {
        let answer = request.send().await.expect("an answer");
        assert_eq!(answer.status(), status, "{code}");
        let body: Value = answer.json().await.expect("JSON");
        assert_eq!(body["errors"][0]["extensions"]["code"], code, "{body}");
    }
    let chosen = get("query A{__typename} query B{activeRooms{totalCount}}&operationName=B");
    let answer: Value = chosen.send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(answer, json!({ "data": { "activeRooms": { "totalCount": 0 } } }));
}

fn merge(into: &mut Value, change: Value) {
    for (name, value) in change.as_object().expect("an object") {
        into[name] = value.clone();
    }
}
