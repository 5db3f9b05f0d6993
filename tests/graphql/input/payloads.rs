//! Invalid parameters fail their own operation and no other.

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::client::{User, error_code};
use crate::support::http;
use crate::support::server::Server;
use crate::support::socket::{Socket, events_of};
use crate::support::stream::WithQuery as _;

const QUERY: &str = "{ activeRooms { totalCount } }";

/// Payloads with an unpaired surrogate, and the parameter that contains it.
fn with_unpaired_surrogate() -> Vec<(String, &'static str)> {
    ["\\ud800", "x\\uDBFFy", "\\udc00", "\\ude00\\ud83d", "\\ud83d\\ud83d\\ude00", "\\\\\\ud800ü"]
        .into_iter()
        .flat_map(|half| {
            [
                (format!(r#"{{"query":"{{ room(id: \"{half}\", code: \"\") {{ id }} }}"}}"#), "query"),
                (format!(r#"{{"query":"{QUERY}","variables":{{"a":"{half}"}}}}"#), "variables"),
                (format!(r#"{{"query":"{QUERY}","variables":{{"a":[{{"b":"{half}"}}]}}}}"#), "variables"),
                (format!(r#"{{"query":"{QUERY}","variables":{{"{half}":1}}}}"#), "variables"),
                (format!(r#"{{"query":"{QUERY}","operationName":"{half}"}}"#), "operationName"),
                (format!(r#"{{"query":"{QUERY}","extensions":{{"a":"{half}"}}}}"#), "extensions"),
            ]
        })
        .collect()
}

#[tokio::test]
async fn an_unpaired_surrogate_fails_its_own_operation_and_the_socket_stays_open() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let mut socket = Socket::ready(server.address()).await;
    socket.follow("events", &client, &room).await;
    for (number, (payload, field)) in with_unpaired_surrogate().into_iter().enumerate() {
        let id = format!("operation {number}");
        socket.send(Message::text(format!(r#"{{"id":"{id}","type":"subscribe","payload":{payload}}}"#))).await;
        let received = socket.receive().await;
        assert_eq!((&received["type"], &received["id"]), (&json!("error"), &json!(id)), "{payload}");
        let error = &received["payload"][0];
        assert_eq!(error["extensions"], json!({ "code": "VALIDATION_FAILED", "field": field }), "{payload}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(field)), "{error}");
    }
    ada.send(&room, "still here").await;
    assert_eq!(socket.next_text("events").await, "still here");
}

#[tokio::test]
async fn an_unpaired_surrogate_over_http_is_a_validation_error_that_names_the_parameter() {
    let server = Server::embedded();
    let http = http::Client::of(&server.url(""));
    for (payload, field) in with_unpaired_surrogate() {
        let answer = http.post_text("/graphql", &payload).await;
        assert_eq!(answer.status, 400, "{payload}");
        let error = &answer.json()["errors"][0];
        assert_eq!(error["extensions"], json!({ "code": "VALIDATION_FAILED", "field": field }), "{payload}");
    }
    let variables = [("query", QUERY), ("variables", r#"{"a":"\ud800"}"#)];
    let request = http.request("GET", "/graphql").header("accept", "application/json").query(&variables);
    let answer = http::Answer::receive(request).await;
    assert_eq!(answer.json()["errors"][0]["extensions"]["field"], "variables");
    // A complete pair is a character, and an escaped backslash begins no surrogate.
    let room = server.client().create_room().await;
    for (written, text) in [(r"\ud83d\ude00", "😀"), (r"\\ud800 \u00fc", r"\ud800 ü")] {
        let body = format!(
            r#"{{"query":"mutation($input: SendMessageInput!) {{ sendMessage(input: $input) {{ message {{ text }} }} }}",
                "variables":{{"input":{{"roomId":"{}","roomCode":"{}","text":"{written}"}}}}}}"#,
            room.id, room.code
        );
        assert_eq!(http.post_text("/graphql", &body).await.json()["data"]["sendMessage"]["message"]["text"], text);
    }
}

#[tokio::test]
async fn parameters_of_a_wrong_type_fail_their_own_operation_and_the_socket_stays_open() {
    let server = Server::embedded();
    let mut socket = Socket::ready(server.address()).await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for payload in [
        "{}".to_owned(),
        r#"{"query":null}"#.to_owned(),
        r#"{"query":1}"#.to_owned(),
        r#"{"query":"{a}","operationName":1}"#.to_owned(),
        r#"{"query":"{a}","variables":"marker"}"#.to_owned(),
        r#"{"query":"{a}","variables":[]}"#.to_owned(),
        r#"{"query":"{a}","extensions":1}"#.to_owned(),
        format!(r#"{{"query":"{QUERY}","variables":{{"a":{deep}}}}}"#),
    ] {
        socket.send(Message::text(format!(r#"{{"id":"marked","type":"subscribe","payload":{payload}}}"#))).await;
        assert_eq!(socket.refusal("marked").await, "BAD_REQUEST", "{payload:.200}");
        assert!(!socket.raw.contains("marker"), "nothing is echoed");
    }
    socket.subscribe("marked", QUERY, json!({})).await;
    assert_eq!(socket.receive().await["type"], "next");
}

#[tokio::test]
async fn an_unpaired_surrogate_in_connection_init_or_a_ping_does_no_harm() {
    let server = Server::embedded();
    let room = server.client().create_room().await;
    let mut socket = Socket::open(server.address()).await;
    let init = r#"{"type":"connection_init","payload":{"name":"\ud800","\udc00":1,"resume":{"a":"\ud800","b":null}}}"#;
    socket.send(Message::text(init)).await;
    assert_eq!(socket.receive().await, json!({ "type": "connection_ack" }));
    socket.subscribe("a", &events_of(&room), json!({})).await;
    assert_eq!(socket.refusal("a").await, "CURSOR_INVALID", "an invalid cursor is not ignored");
    socket.follow("b", &server.client(), &room).await;
    socket.send(Message::text(r#"{"type":"ping","payload":{"a":"\ud800"}}"#)).await;
    assert!(
        matches!(socket.next_frame().await, Some(Message::Text(text)) if text == r#"{"type":"pong","payload":{"a":"\ud800"}}"#)
    );
}

#[tokio::test]
async fn null_means_absent_for_every_parameter_and_so_does_an_empty_operation_name() {
    let server = Server::embedded();
    let http = http::Client::of(&server.url(""));
    let nulls =
        json!({ "query": QUERY, "operationName": null, "variables": null, "extensions": null, "lastEventId": null });
    let empty =
        json!({ "query": QUERY, "operationName": "", "extensions": { "persistedQuery": null, "lastEventId": "" } });
    let named = json!({ "query": format!("query Q {QUERY}"), "operationName": "" });
    for payload in [nulls, empty, named] {
        let is_answered = |answer: &Value| answer["data"]["activeRooms"]["totalCount"] == 0;
        let answer = http.post("/graphql", &payload).await.json();
        assert!(is_answered(&answer), "{payload}: {answer}");
        let mut socket = Socket::ready(server.address()).await;
        socket.send_json(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        assert!(is_answered(&socket.receive().await["payload"]), "{payload}");
    }
    for query in [
        vec![("query", QUERY), ("operationName", ""), ("variables", "null"), ("extensions", "null")],
        vec![("query", QUERY), ("operationName", ""), ("variables", ""), ("extensions", "")],
    ] {
        let request = http.request("GET", "/graphql").header("accept", "application/json").query(&query);
        assert_eq!(http::Answer::receive(request).await.json()["data"]["activeRooms"]["totalCount"], 0, "{query:?}");
    }
    for nothing in [json!({ "query": null }), json!({ "operationName": "Q" })] {
        let answer = http.post("/graphql", &nothing).await;
        assert_eq!((answer.status, error_code(&answer.json()).as_str()), (400, "BAD_REQUEST"), "{nothing}");
    }
    let mut init = Socket::open(server.address()).await;
    init.send_json(json!({ "type": "connection_init", "payload": null })).await;
    assert_eq!(init.receive().await, json!({ "type": "connection_ack" }));
    let mut init = Socket::ready_with(server.address(), json!({ "resume": null })).await;
    init.assert_no_message().await;
}
