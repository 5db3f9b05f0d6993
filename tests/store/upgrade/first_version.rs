//! Everything that version 0.1.0 has stored and handed out is served by both APIs: texts and times, users and tokens, codes, and
//! cursors of every kind.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{AFTER_THE_FIRST, ada, bob, directory, other_room, room, texts};
use crate::support::client::{RoomKey, User, error_code};
use crate::support::http;
use crate::support::owner::{react, try_join};
use crate::support::server::Server;
use crate::support::subscriber::{ROOM_EVENTS, Subscriber};
use crate::support::transport::{Reader, Resume, Transport};

/// A cursor as version 0.1.0 wrote it: `m` for a message, `c` for a user, `r` for a room, then the room, then a number.
fn old_cursor(kind: u8, room: &RoomKey, number: u64) -> String {
    let room = u128::from_str_radix(&room.id, 16).expect("an id");
    BASE64.encode([&[kind][..], &room.to_be_bytes(), &number.to_be_bytes()].concat())
}

fn legacy_body(room: &RoomKey) -> Value {
    json!({ "room_id": format!("room:*{}", room.id), "room_code": room.code })
}

#[tokio::test]
async fn texts_times_users_and_pages_are_those_that_the_first_version_stored() {
    let server = Server::in_directory(directory(), &[]);
    let (client, room, other) = (server.client(), room(), other_room());
    let fields = format!(
        "createdAt chatterCount
         messages(first: 2, after: \"{}\") {{ totalCount nodes {{ index text createdAt editedAt deletedAt author {{ displayName }} }} }}
         first: messages(first: 1) {{ nodes {{ clientMessageId }} }}
         chatters(first: 5, after: \"{}\") {{ totalCount nodes {{ id displayName }} }}",
        old_cursor(b'm', &room, 0),
        old_cursor(b'c', &room, 0)
    );
    let read = client.query_room(&room, &fields).await;
    let expected = json!({
        "createdAt": "2026-11-28T03:57:16.951Z", "chatterCount": 2,
        "messages": { "totalCount": 4, "nodes": [
            { "index": 1, "text": "edited two times", "createdAt": "2026-11-28T03:57:16.975Z",
              "editedAt": "2026-11-28T03:57:16.984Z", "deletedAt": null, "author": { "displayName": "Ada" } },
            { "index": 2, "text": null, "createdAt": "2026-11-28T03:57:16.977Z", "editedAt": null,
              "deletedAt": "2026-11-28T03:57:16.988Z", "author": { "displayName": "Bob" } },
        ] },
        "first": { "nodes": [{ "clientMessageId": "one" }] },
        "chatters": { "totalCount": 2, "nodes": [{ "id": bob(&server).id, "displayName": "Bob" }] },
    });
    assert_eq!(read, expected);
    let newest = old_cursor(b'r', &other, 1_795_838_236_966);
    let list = format!("{{ activeRooms(first: 5, after: \"{newest}\") {{ totalCount nodes {{ id }} }} }}");
    let list = client.data(&list, json!({})).await;
    assert_eq!(list["activeRooms"], json!({ "totalCount": 2, "nodes": [{ "id": room.id }] }));
    let wrong = RoomKey { code: "000000".into(), ..room.clone() };
    let query = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { id } }";
    assert_eq!(client.code(query, json!({ "id": wrong.id, "code": wrong.code })).await, "ROOM_CODE_INVALID");
}

#[tokio::test]
async fn cursors_of_the_first_version_resume_on_every_transport_and_only_in_their_room() {
    let server = Server::in_directory(directory(), &[]);
    let room = room();
    let mut readers = Vec::new();
    for transport in
        [Transport::WebSocket, Transport::ServerSentEvents, Transport::Multipart, Transport::LegacyWebSocket]
    {
        for resume in [Resume::Argument, Resume::Connection] {
            let connection = TcpStream::connect(server.address()).await.expect("a connection");
            let after = Some(AFTER_THE_FIRST.into());
            let mut reader =
                Reader::with(connection, transport, ROOM_EVENTS, &room, after, resume).await.expect("a subscription");
            let kinds: Vec<_> = reader.events(6).await.iter().map(|event| event["__typename"].clone()).collect();
            let [sent, edited, deleted] = ["MessageSent", "MessageEdited", "MessageDeleted"];
            assert_eq!(kinds, [sent, sent, edited, edited, deleted, sent], "{transport:?} {resume:?}");
            readers.push(reader);
        }
    }
    ada(&server).send(&room, "live").await;
    for reader in &mut readers {
        assert_eq!(reader.event().await["message"]["text"], "live");
    }
    let mut elsewhere = Subscriber::open(server.address(), &other_room(), Some(AFTER_THE_FIRST.into())).await;
    assert_eq!(elsewhere.refusal().await, "CURSOR_INVALID");
}

#[tokio::test]
async fn users_of_the_first_version_act_over_both_apis_and_take_part_in_what_is_new() {
    let server = Server::in_directory(directory(), &[]);
    let (room, legacy) = (room(), http::Client::of(&server.url("")));
    let record = legacy.post("/v1/room/", &legacy_body(&room)).await.json();
    let messages = record["data"]["messages"].as_array().expect("messages");
    let shown: Vec<_> = messages.iter().map(|message| message["message"].as_str().unwrap_or_default()).collect();
    assert_eq!(record["data"]["chatters_amount"], 2, "{record}");
    for text in texts().iter().flatten() {
        assert!(shown.contains(&text.as_str()), "{record}");
    }
    let list = legacy.get("/v1/rooms_views/").await.body;
    assert!(list.contains(&room.id) && list.contains(&other_room().id), "{list}");
    // A token moves from one API to the other.
    let (mut ada, mut bob) = (ada(&server), bob(&server));
    let mut body = legacy_body(&room);
    body["user_id"] = json!(ada.id);
    body["token"] = json!(ada.token);
    body["message"] = json!("edited over the legacy route");
    body["message_id"] = json!(0);
    let edited = legacy.post("/v1/room/message/edit/", &body).await.json();
    assert_eq!(edited["status_code"], 200, "{edited}");
    let stolen = User { id: ada.id.clone(), token: ada.token.clone(), ..User::of(server.client()) };
    ada.token = edited["data"]["token"].as_str().map(str::to_owned);
    ada.edit(&room, &format!("{}-0", room.id), "edited over GraphQL").await;
    // By now the token in the database of 0.1.0 has been replaced twice.
    let mut stolen = stolen;
    let refused = stolen.try_send(&room, "with an old token").await.expect("an answer");
    assert_eq!(error_code(&refused), "TOKEN_INVALID");
    let joined = try_join(&mut bob, &room).await;
    assert_eq!(joined["data"]["joinRoom"]["user"]["displayName"], "Bob", "{joined}");
    let reactions = react(&mut bob, &room, &format!("{}-0", room.id), "👍", true).await;
    assert_eq!(reactions, json!([{ "emoji": "👍", "count": 1 }]));
}

#[tokio::test]
async fn lockouts_begin_at_zero_with_the_new_version_and_hold_from_then_on() {
    let settings = [("RATE_LIMITS", "on"), ("WRONG_CODES_PER_ADDRESS", "2:1m")];
    let server = Server::in_directory(directory(), &settings);
    let query = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { id } }";
    let variables = |code: &str| json!({ "id": room().id, "code": code });
    assert_eq!(server.client().code(query, variables("000000")).await, "ROOM_CODE_INVALID");
    assert_eq!(server.client().data(query, variables(&room().code)).await["room"]["id"], json!(room().id));
    let other = |code: &str| json!({ "id": other_room().id, "code": code });
    assert_eq!(server.client().code(query, other("000000")).await, "ROOM_CODE_INVALID");
    assert_eq!(server.client().code(query, other("000001")).await, "RATE_LIMITED");
    // The client is known in the first room.
    assert_eq!(server.client().data(query, variables(&room().code)).await["room"]["id"], json!(room().id));
}
