//! Rules for texts, the same over both APIs.

use serde_json::{Value, json};

use crate::support::client::{Client, EDIT, RoomKey, SEND, User, text};
use crate::support::http;
use crate::support::server::Server;

/// Texts without visible characters, each of at least ten characters.
const INVISIBLE: [&str; 8] = [
    "          ",
    "\u{a0}\u{2003}\u{3000}\u{a0}\u{2003}\u{3000}\u{a0}\u{2003}\u{3000}\u{a0}",
    "\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}",
    "\u{202a}\u{202e}\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}\u{202c}\u{2067}\u{2068}",
    "\u{115f}\u{1160}\u{3164}\u{ffa0}\u{115f}\u{1160}\u{3164}\u{ffa0}\u{3164}\u{ffa0}",
    "\u{2800}\u{ad}\u{34f}\u{180e}\u{fe0f}\u{2800}\u{ad}\u{34f}\u{180e}\u{fe0f}",
    "\u{e0001}\u{e0061}\u{e007f}\u{e0100}\u{e0001}\u{e0061}\u{e007f}\u{e0100}\u{e0001}\u{e007f}",
    "\u{1d159}\u{1d173}\u{13441}\u{16fe4}\u{1bca0}\u{1d159}\u{1d173}\u{13441}\u{16fe4}\u{1bca0}",
];

fn input(room: &RoomKey, more: &[(&str, &str)]) -> Value {
    let mut input = json!({ "roomId": room.id, "roomCode": room.code, "text": "hi" });
    more.iter().for_each(|(name, value)| input[*name] = json!(value));
    json!({ "input": input })
}

fn body(room: &RoomKey, more: &[(&str, &str)]) -> Value {
    let mut body = json!({ "room_id": room.id, "room_code": room.code, "user_id": "None", "message": "hi" });
    more.iter().for_each(|(name, value)| body[*name] = json!(value));
    body
}

async fn assert_refused(client: &Client, query: &str, input: Value, field: &str) {
    let answer = client.request(query, input).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(*extensions, json!({ "code": "VALIDATION_FAILED", "field": field }), "{answer}");
    let message = answer["errors"][0]["message"].as_str();
    assert!(message.is_some_and(|message| message.ends_with("must contain a visible character")), "{answer}");
}

#[tokio::test]
async fn invisible_texts_names_and_ids_are_refused_over_both_apis() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, rest) = (server.client(), http::Client::of(&server.url("")));
        let room = client.create_room().await;
        let mut ada = User::of(client.clone());
        let id = text(&ada.send(&room, "hi").await["id"]);
        for invisible in INVISIBLE {
            for field in ["text", "displayName", "userId", "clientMessageId"] {
                assert_refused(&client, SEND, input(&room, &[(field, invisible)]), field).await;
            }
            let user =
                [("userId", ada.id.as_deref().expect("an id")), ("token", ada.token.as_deref().expect("a token"))];
            let edit = input(&room, &[&user[..], &[("messageId", &id), ("text", invisible)]].concat());
            assert_refused(&client, EDIT, edit, "text").await;
            for field in ["message", "display_name", "user_id"] {
                let answer = rest.post("/room/message/send", &body(&room, &[(field, invisible)])).await;
                let msg = format!("{field} must contain a visible character");
                let detail = json!({ "detail": [{ "type": "value_error", "loc": ["body", field], "msg": msg }] });
                assert_eq!((answer.status, answer.json()), (422, detail));
            }
        }
        // One visible character is enough, and the characters around it are kept.
        let around = format!("{}x{}", INVISIBLE[1], INVISIBLE[5]);
        ada.send(&room, &around).await;
        assert_eq!(client.texts(&room).await, [Some("hi".to_owned()), Some(around)]);
    }
}

#[tokio::test]
async fn line_ends_are_stored_as_lf() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (client, rest) = (server.client(), http::Client::of(&server.url("")));
        let room = client.create_room().await;
        let mut ada = User::of(client.clone());
        let id = text(&ada.send(&room, "one\r\ntwo\r\n\r\nthree").await["id"]);
        let answer = rest.post("/room/message/send", &body(&room, &[("message", "four\r\nfive\n")])).await;
        assert_eq!((answer.status, &answer.json()["data"]["message"]), (200, &json!("four\nfive\n")));
        let expected = [Some("one\ntwo\n\nthree".to_owned()), Some("four\nfive\n".to_owned())];
        assert_eq!(client.texts(&room).await, expected);
        assert_eq!(ada.edit(&room, &id, "uno\r\ndos").await["text"], "uno\ndos");
        // A line end counts as one character. A CR elsewhere is a control character.
        ada.send(&room, &"a\r\n".repeat(2_000)).await;
        for (text, problem) in [
            ("a\r\n".repeat(2_001), "text may have at most 4000 characters, this one has 4002"),
            ("a\rb".into(), "text must not contain control characters"),
            ("a\r\r\nb".into(), "text must not contain control characters"),
        ] {
            let answer = client.request(SEND, input(&room, &[("text", &text)])).await;
            assert_eq!(answer["errors"][0]["message"], problem);
        }
        let name = client.request(SEND, input(&room, &[("displayName", "a\r\nb")])).await;
        assert_eq!(name["errors"][0]["message"], "displayName must not contain control characters");
    }
}

#[tokio::test]
async fn a_repeated_send_is_recognized_whatever_its_line_ends() {
    let server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    let mut ada = User::of(client.clone());
    ada.send(&room, "hi").await;
    let user = [("userId", ada.id.as_deref().expect("an id")), ("token", ada.token.as_deref().expect("a token"))];
    let send = |text| input(&room, &[&user[..], &[("clientMessageId", "the same"), ("text", text)]].concat());
    let first = client.data(SEND, send("a\r\nb")).await;
    let second = client.data(SEND, send("a\r\nb")).await;
    assert_eq!(first["sendMessage"]["message"]["id"], second["sendMessage"]["message"]["id"]);
    assert_eq!(client.texts(&room).await, [Some("hi".to_owned()), Some("a\nb".to_owned())]);
}
