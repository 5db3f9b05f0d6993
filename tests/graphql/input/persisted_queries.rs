//! Automatic persisted queries on every transport. `tests/clients` tests them with real clients.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::client::{User, error_code};
use crate::support::http::{self, Answer};
use crate::support::server::Server;
use crate::support::socket::Socket;
use crate::support::stream::{Stream, WithQuery as _};

const QUERY: &str = "{ activeRooms { totalCount } }";
const MULTIPART: &str = "multipart/mixed;subscriptionSpec=1.0, application/json";

fn extensions(query: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hex::encode(Sha256::digest(query)) } })
}

/// A request for a document by its hash alone.
fn by_hash(query: &str) -> Value {
    json!({ "extensions": extensions(query) })
}

fn not_found() -> Value {
    json!({ "errors": [{ "message": "PersistedQueryNotFound", "extensions": { "code": "PERSISTED_QUERY_NOT_FOUND" } }] })
}

/// A GET with these parameters.
async fn get(http: &http::Client, parameters: &[(&str, String)]) -> Answer {
    Answer::receive(http.request("GET", "/graphql").header("accept", "application/json").query(parameters)).await
}

#[tokio::test]
async fn a_document_that_was_sent_once_can_be_named_by_its_hash_on_every_transport() {
    let server = Server::embedded();
    let (client, mut ada) = (server.client(), User::of(server.client()));
    let room = client.create_room().await;
    let http = http::Client::of(&server.url(""));
    let unknown = http.post("/graphql", &by_hash(QUERY)).await;
    assert_eq!((unknown.status, unknown.json()), (200, not_found()));
    assert_eq!(unknown.header("cache-control"), Some("no-store"));
    let answered = json!({ "data": { "activeRooms": { "totalCount": 1 } } });
    let both = json!({ "query": QUERY, "extensions": extensions(QUERY) });
    assert_eq!(http.post("/graphql", &both).await.json(), answered);
    assert_eq!(http.post("/graphql", &by_hash(QUERY)).await.json(), answered);
    let empty = json!({ "query": "", "extensions": extensions(QUERY) });
    assert_eq!(http.post("/graphql", &empty).await.json(), answered, "an empty document counts as absent");
    let extension = [("extensions", extensions(QUERY).to_string())];
    assert_eq!(get(&http, &extension).await.json(), answered);
    let mut socket = Socket::ready(server.address()).await;
    socket.send_json(json!({ "id": "1", "type": "subscribe", "payload": by_hash(QUERY) })).await;
    assert_eq!(socket.receive().await["payload"], answered);
    assert_eq!(socket.receive().await["type"], "complete");

    // Subscriptions with variables.
    let follow =
        "subscription($id: ID!, $code: String!) { messageEvents(roomId: $id, roomCode: $code) { message { text } } }";
    let mut payload = by_hash(follow);
    payload["variables"] = json!({ "id": room.id, "code": room.code });
    socket.send_json(json!({ "id": "2", "type": "subscribe", "payload": payload })).await;
    let received = socket.receive().await;
    assert_eq!((&received["type"], &received["payload"]), (&json!("error"), &not_found()["errors"]));
    let mut first = payload.clone();
    first["query"] = json!(follow);
    socket.send_json(json!({ "id": "2", "type": "subscribe", "payload": first })).await;
    client.wait_for_viewers(&room, 1).await;
    socket.send_json(json!({ "id": "3", "type": "subscribe", "payload": payload })).await;
    let post = |accept: &str| crate::support::stream::http().post(client.url()).header("accept", accept).json(&payload);
    let mut sse = Stream::open(post("text/event-stream")).await;
    let mut multipart = Stream::open(post(MULTIPART)).await;
    let parameters = [("extensions", extensions(follow).to_string()), ("variables", payload["variables"].to_string())];
    let by_get = crate::support::stream::http().get(client.url()).query(&parameters);
    let mut event_source = Stream::open(by_get.header("accept", "text/event-stream")).await;
    client.wait_for_viewers(&room, 5).await;
    ada.send(&room, "to all").await;
    for _ in 0..2 {
        assert_eq!(socket.receive().await["payload"]["data"]["messageEvents"]["message"]["text"], "to all");
    }
    for stream in [&mut sse, &mut multipart, &mut event_source] {
        assert!(stream.until("to all").await.is_some());
    }
}

#[tokio::test]
async fn an_unknown_hash_over_a_stream_is_reported_and_the_stream_completes() {
    let server = Server::embedded();
    for (accept, end) in [("text/event-stream", "event: complete"), (MULTIPART, "}]}")] {
        let request = crate::support::stream::http().post(server.url("/graphql")).header("accept", accept);
        let mut stream = Stream::open(request.json(&by_hash("{ neverSent }"))).await;
        let received = stream.until(end).await.expect("an answer");
        assert!(received.contains(r#""message":"PersistedQueryNotFound""#), "{received}");
    }
}

#[tokio::test]
async fn only_valid_documents_with_the_right_hash_are_kept() {
    let server = Server::with(&[("DOCUMENT_MAX_TOKENS", "20")]);
    let http = http::Client::of(&server.url(""));
    let long = format!("{{ activeRooms {{ {} }} }}", "totalCount ".repeat(20));
    for (query, code) in [
        ("{ nonsense }", "GRAPHQL_VALIDATION_FAILED"),
        ("{", "GRAPHQL_PARSE_FAILED"),
        (long.as_str(), "TOO_MANY_TOKENS"),
        ("{ ...F } fragment F on Query { ...F }", "FRAGMENT_CYCLE"),
    ] {
        let sent = http.post("/graphql", &json!({ "query": query, "extensions": extensions(query) })).await;
        assert_eq!(error_code(&sent.json()), code);
        assert_eq!(http.post("/graphql", &by_hash(query)).await.json(), not_found(), "{query}");
    }
    let forged = json!({ "query": QUERY, "extensions": extensions("{ __typename }") });
    let answer = http.post("/graphql", &forged).await.json();
    assert_eq!(error_code(&answer), "PERSISTED_QUERY_INVALID");
    assert_eq!(answer["errors"][0]["message"], "provided sha does not match query");
    assert_eq!(http.post("/graphql", &by_hash("{ __typename }")).await.json(), not_found());
    for extension in
        [json!({ "version": 2, "sha256Hash": "0".repeat(64) }), json!({ "version": 1, "sha256Hash": "0" }), json!("x")]
    {
        let answer = http.post("/graphql", &json!({ "extensions": { "persistedQuery": extension } })).await;
        assert_eq!(error_code(&answer.json()), "PERSISTED_QUERY_INVALID", "{extension}");
    }
}

#[tokio::test]
async fn persisted_queries_obey_the_rules_for_get() {
    let server = Server::embedded();
    let http = http::Client::of(&server.url(""));
    for mutation in ["mutation { createRoom { room { id } } }", "query { createRoom { room { id } } }"] {
        let kept = http.post("/graphql", &json!({ "query": mutation, "extensions": extensions(mutation) })).await;
        assert_eq!(kept.status, 200);
        let answer = get(&http, &[("extensions", extensions(mutation).to_string())]).await;
        assert_eq!(error_code(&answer.json()), "METHOD_NOT_ALLOWED", "{mutation}");
    }
    http.post("/graphql", &json!({ "query": QUERY, "extensions": extensions(QUERY) })).await;
    let by_image = http.request("GET", "/graphql").query(&[("extensions", extensions(QUERY).to_string())]);
    let answer = Answer::receive(by_image.header("accept", "image/*")).await;
    assert_eq!((answer.status, error_code(&answer.json()).as_str()), (400, "PREFLIGHT_REQUIRED"));
}

#[tokio::test]
async fn with_persisted_queries_off_a_hash_is_refused_as_not_supported() {
    let server = Server::with(&[("PERSISTED_QUERIES", "off")]);
    let http = http::Client::of(&server.url(""));
    let answer = http.post("/graphql", &by_hash(QUERY)).await;
    let expected = json!({ "errors": [{ "message": "PersistedQueryNotSupported",
        "extensions": { "code": "PERSISTED_QUERY_NOT_SUPPORTED" } }] });
    assert_eq!((answer.status, answer.json()), (200, expected.clone()));
    assert_eq!(get(&http, &[("extensions", extensions(QUERY).to_string())]).await.json(), expected);
    let mut socket = Socket::ready(server.address()).await;
    socket.send_json(json!({ "id": "1", "type": "subscribe", "payload": by_hash(QUERY) })).await;
    assert_eq!(socket.receive().await["payload"], expected["errors"]);
    let both = json!({ "query": QUERY, "extensions": extensions(QUERY) });
    assert_eq!(http.post("/graphql", &both).await.json()["data"]["activeRooms"]["totalCount"], 0);
}
