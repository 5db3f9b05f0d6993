//! Trusted documents on every transport. `tests/clients` tests lists that Relay, Apollo and GraphQL Code Generator write.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::client::{Client, RoomKey, error_code};
use crate::support::eventually;
use crate::support::http::{self, Answer};
use crate::support::server::{Server, failure};
use crate::support::socket::{LEGACY_PROTOCOL, Socket};
use crate::support::stream::{Stream, WithQuery as _};

const ROOMS: &str = "query Rooms { activeRooms { totalCount } }";
const CREATE: &str = "mutation Create { createRoom { room { id code } } }";
const SEND: &str = "mutation Send($input: SendMessageInput!) { sendMessage(input: $input) { message { text } } }";
const FOLLOW: &str = "subscription Follow($id: ID!, $code: String!) { messageEvents(roomId: $id, roomCode: $code) { message { text } } }";
const VIEWERS: &str = "query Viewers($id: ID!, $code: String!) { room(id: $id, code: $code) { viewerCount } }";
const MULTIPART: &str = "multipart/mixed;subscriptionSpec=1.0, application/json";

/// A list of five documents.
fn listed() -> Value {
    json!({ "rooms": ROOMS, "create": CREATE, "send": SEND, "follow": FOLLOW, "viewers": VIEWERS })
}

/// A server with this list, which is deleted with the directory.
fn server_with(list: &Value) -> Server {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("documents.json"), list.to_string()).expect("a file");
    Server::in_directory(directory, &[("TRUSTED_DOCUMENTS", "documents.json")])
}

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// Requests for a listed document in every form.
fn forms(id: &str, text: &str) -> Vec<Value> {
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash(text) } });
    vec![
        json!({ "query": text }),
        json!({ "documentId": id }),
        json!({ "id": id }),
        json!({ "doc_id": id }),
        json!({ "documentId": format!("sha256:{}", hash(text)) }),
        json!({ "extensions": extensions }),
        json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": id } } }),
        json!({ "query": text, "extensions": extensions }),
        json!({ "query": "", "documentId": id, "extensions": null }),
    ]
}

/// Requests for a document that is not listed, or for none, in every form.
fn untrusted() -> Vec<Value> {
    let mut requests: Vec<_> =
        ["{ activeRooms { totalCount } }", "{ __schema { types { name } } }", "{ nonsense }", "{", &"{".repeat(20_000)]
            .iter()
            .flat_map(|text| forms(&hash(text), text))
            .collect();
    requests.extend(["Rooms", "", "sha256:", "rooms ", "ROOMS"].map(|id| json!({ "documentId": id, "query": "" })));
    requests.push(json!({ "extensions": { "persistedQuery": 1 } }));
    requests
}

fn refused() -> Value {
    let message = "this server runs only documents that its operator has listed, and this is none of them";
    json!([{ "message": message, "extensions": { "code": "DOCUMENT_NOT_TRUSTED" } }])
}

fn with_variables(mut request: Value, variables: &Value) -> Value {
    request["variables"] = variables.clone();
    request
}

/// A ready socket with the older protocol.
async fn legacy_socket(server: &Server) -> Socket {
    let offered = Socket::offering(server.address(), Some(LEGACY_PROTOCOL)).await;
    let (mut socket, _) = offered.expect("a socket");
    socket.send_json(json!({ "type": "connection_init" })).await;
    for expected in ["connection_ack", "ka"] {
        assert_eq!(socket.receive().await["type"], expected);
    }
    socket
}

/// The parameters of a GET for this request.
fn query_string(request: &Value) -> Vec<(&str, String)> {
    let object = request.as_object().expect("an object").iter();
    object
        .map(|(name, value)| (name.as_str(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect()
}

async fn room(client: &http::Client) -> RoomKey {
    let room = &client.post("/graphql", &json!({ "documentId": "create" })).await.json()["data"]["createRoom"]["room"];
    let text = |name: &str| room[name].as_str().expect("a text").to_owned();
    RoomKey { id: text("id"), code: text("code") }
}

async fn send(client: &http::Client, room: &RoomKey, text: &str) {
    let input = json!({ "roomId": room.id, "roomCode": room.code, "text": text });
    let sent =
        client.post("/graphql", &with_variables(json!({ "id": "send" }), &json!({ "input": input }))).await.json();
    assert_eq!(sent["data"]["sendMessage"]["message"]["text"], text, "{sent}");
}

/// Waits until a room has this many viewers.
async fn viewers(server: &Server, room: &RoomKey, count: usize) {
    let client: Client = server.client();
    let variables = json!({ "id": room.id, "code": room.code });
    eventually(&format!("{count} viewers"), async || {
        client.data(VIEWERS, variables.clone()).await["room"]["viewerCount"] == count
    })
    .await;
}

#[tokio::test]
async fn a_listed_document_runs_in_every_form_and_over_every_transport() {
    let server = server_with(&listed());
    let http = http::Client::of(&server.url(""));
    let answered = json!({ "data": { "activeRooms": { "totalCount": 0 } } });
    let mut socket = Socket::ready(server.address()).await;
    let mut legacy_socket = legacy_socket(&server).await;
    for request in forms("rooms", ROOMS) {
        assert_eq!(http.post("/graphql", &request).await.json(), answered, "{request}");
        let get = http.request("GET", "/graphql").header("accept", "application/json").query(&query_string(&request));
        assert_eq!(Answer::receive(get).await.json(), answered, "{request} by GET");
        for (socket, start) in [(&mut socket, "subscribe"), (&mut legacy_socket, "start")] {
            socket.send_json(json!({ "id": "1", "type": start, "payload": request })).await;
            assert_eq!(socket.receive().await["payload"], answered, "{request} by {start}");
            assert_eq!(socket.receive().await["type"], "complete");
        }
    }
    let room = room(&http).await;
    let variables = json!({ "id": room.id, "code": room.code });
    let requests = forms("follow", FOLLOW).into_iter().map(|request| with_variables(request, &variables));
    let mut streams = Vec::new();
    for (id, request) in requests.enumerate() {
        for (socket, start) in [(&mut socket, "subscribe"), (&mut legacy_socket, "start")] {
            socket.send_json(json!({ "id": id.to_string(), "type": start, "payload": request })).await;
        }
        let url = server.url("/graphql");
        let post = |accept: &str| crate::support::stream::http().post(&url).header("accept", accept).json(&request);
        streams.push(Stream::open(post("text/event-stream")).await);
        streams.push(Stream::open(post(MULTIPART)).await);
        let get = crate::support::stream::http().get(&url).query(&query_string(&request));
        streams.push(Stream::open(get.header("accept", "text/event-stream")).await);
    }
    let count = forms("", "").len();
    viewers(&server, &room, count * 5).await;
    send(&http, &room, "to all").await;
    for socket in [&mut socket, &mut legacy_socket] {
        for _ in 0..count {
            assert_eq!(socket.receive().await["payload"]["data"]["messageEvents"]["message"]["text"], "to all");
        }
    }
    for stream in &mut streams {
        assert!(stream.until("to all").await.is_some());
    }
}

#[tokio::test]
async fn any_other_document_gets_the_same_error_in_every_form_and_over_every_transport() {
    let server = server_with(&listed());
    let http = http::Client::of(&server.url(""));
    let mut socket = Socket::ready(server.address()).await;
    let mut legacy_socket = legacy_socket(&server).await;
    for request in untrusted() {
        let shown = request.to_string().chars().take(200).collect::<String>();
        assert_eq!(http.post("/graphql", &request).await.json(), json!({ "errors": refused() }), "{shown}");
        for (accept, end) in [("text/event-stream", "event: complete"), (MULTIPART, "}]}")] {
            let post = crate::support::stream::http().post(server.url("/graphql")).header("accept", accept);
            let received = Stream::open(post.json(&request)).await.until(end).await.expect("an answer");
            assert!(received.contains(r#""code":"DOCUMENT_NOT_TRUSTED""#), "{shown} over {accept}: {received}");
        }
        if shown.len() < 200 {
            let get =
                http.request("GET", "/graphql").header("accept", "application/json").query(&query_string(&request));
            let answer = Answer::receive(get).await.json();
            assert!(
                ["DOCUMENT_NOT_TRUSTED", "BAD_REQUEST"].contains(&error_code(&answer).as_str()),
                "{shown} by GET: {answer}"
            );
        }
        socket.send_json(json!({ "id": "1", "type": "subscribe", "payload": request })).await;
        assert_eq!(socket.receive().await["payload"], refused(), "{shown}");
        legacy_socket.send_json(json!({ "id": "1", "type": "start", "payload": request })).await;
        assert_eq!(legacy_socket.receive().await["payload"]["errors"], refused(), "{shown}");
        assert_eq!(legacy_socket.receive().await["type"], "complete");
    }
    let both = json!({ "query": "{ __typename }", "documentId": "rooms" });
    assert_eq!(http.post("/graphql", &both).await.json(), json!({ "errors": refused() }), "the text decides");
}

#[tokio::test]
async fn without_a_list_ids_are_no_documents_and_other_fields_of_their_names_are_ignored() {
    let server = Server::embedded();
    let http = http::Client::of(&server.url(""));
    for request in [json!({ "documentId": "rooms" }), json!({ "query": null, "doc_id": "rooms" })] {
        assert_eq!(error_code(&http.post("/graphql", &request).await.json()), "BAD_REQUEST", "{request}");
    }
    for request in
        [json!({ "query": ROOMS, "id": 1, "doc_id": [] }), json!({ "query": ROOMS, "documentId": "x", "id": "y" })]
    {
        assert_eq!(http.post("/graphql", &request).await.json()["data"]["activeRooms"]["totalCount"], 0, "{request}");
    }
}

#[test]
fn a_list_that_cannot_be_used_stops_the_start_and_says_why() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("documents.json");
    let apollo = |operations: Value| json!({ "format": "apollo-persisted-query-manifest", "version": 1, "operations": operations });
    for (list, problem) in [
        ("{".to_owned(), "is not a manifest"),
        ("[]".to_owned(), "is not a manifest"),
        (json!({ "rooms": 1 }).to_string(), "is not a manifest"),
        (json!({}).to_string(), "lists no documents"),
        (apollo(json!([])).to_string(), "lists no documents"),
        (json!({ "1": ROOMS, "broken": "{" }).to_string(), "cannot run here, broken: the document cannot be read"),
        (json!({ "typo": "{ activeRoom { totalCount } }" }).to_string(), "cannot run here, typo: Unknown field"),
        (json!({ "value": "{ activeRooms(first: true) { totalCount } }" }).to_string(), "cannot run here, value: "),
        (apollo(json!([{ "id": "x", "body": "{ a }" }])).to_string(), "cannot run here, x: Unknown field"),
        (json!({ "long": format!("{{ {} }}", "__typename ".repeat(2_000)) }).to_string(), "cannot run here, long: "),
    ] {
        std::fs::write(&path, &list).expect("a file");
        let error = failure(&[("TRUSTED_DOCUMENTS", path.to_str().expect("text"))]);
        assert!(error.contains("TRUSTED_DOCUMENTS: must name a list of documents, but the file"), "{list}: {error}");
        assert!(error.contains(problem), "{list}: {error}");
    }
    let error = failure(&[("TRUSTED_DOCUMENTS", "no-such-file")]);
    assert!(error.contains("TRUSTED_DOCUMENTS: must name a list of documents, but the file cannot be read"), "{error}");
}
