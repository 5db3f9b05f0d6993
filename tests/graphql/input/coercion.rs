//! Input is coerced as graphql-js coerces it. `tests/clients/coercion.test.js` compares the two in full.

use serde_json::{Value, json};

use crate::support::client::{Client, RoomKey, error_code};
use crate::support::http;
use crate::support::server::Server;

/// Sends a message with this literal as its text. Returns the text of the message, or a list with the error code.
async fn send_literal(client: &Client, room: &RoomKey, literal: &str) -> Value {
    let RoomKey { id, code } = room;
    let query = format!(
        r#"mutation {{ sendMessage(input: {{ roomId: "{id}", roomCode: "{code}", text: {literal} }}) {{ message {{ text }} }} }}"#
    );
    let answer = client.request(&query, json!({})).await;
    match answer.get("errors") {
        Some(_) => json!([error_code(&answer)]),
        None => answer["data"]["sendMessage"]["message"]["text"].clone(),
    }
}

#[tokio::test]
async fn every_form_of_a_string_literal_is_accepted() {
    let server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    for (literal, expected) in [
        (r#""plain ü 😀""#, json!("plain ü 😀")),
        (r#""\ud83d\ude00""#, json!("😀")),
        (r#""\u{1F600}""#, json!("😀")),
        (r#""\u{41}\u{000042}\u00fc""#, json!("ABü")),
        (r#""\"\\\/\n\t""#, json!("\"\\/\n\t")),
        ("\"\"\"\n    one\n      \\\"\"\" two\n    \\u0041\n\"\"\"", json!("one\n  \"\"\" two\n\\u0041")),
        (r#""\ud83d""#, json!(["GRAPHQL_PARSE_FAILED"])),
        (r#""\ude00\ud83d""#, json!(["GRAPHQL_PARSE_FAILED"])),
        (r#""\u{110000}""#, json!(["GRAPHQL_PARSE_FAILED"])),
        (r#""\u{}""#, json!(["GRAPHQL_PARSE_FAILED"])),
        (r#""\x41""#, json!(["GRAPHQL_PARSE_FAILED"])),
        ("5", json!(["GRAPHQL_VALIDATION_FAILED"])),
        ("true", json!(["GRAPHQL_VALIDATION_FAILED"])),
        ("word", json!(["GRAPHQL_VALIDATION_FAILED"])),
        (r#"["one"]"#, json!(["GRAPHQL_VALIDATION_FAILED"])),
        ("null", json!(["GRAPHQL_VALIDATION_FAILED"])),
    ] {
        assert_eq!(send_literal(&client, &room, literal).await, expected, "{literal}");
    }
}

#[tokio::test]
async fn a_variable_without_a_value_leaves_its_argument_to_the_default() {
    let server = Server::with(&[("RATE_LIMITS", "off")]);
    let client = server.client();
    for _ in 0..51 {
        client.create_room().await;
    }
    let query = "query($n: Int) { activeRooms(first: $n) { nodes { id } } }";
    let rooms = async |variables: Value| {
        let data = client.data(query, variables).await;
        data["activeRooms"]["nodes"].as_array().map(Vec::len)
    };
    assert_eq!(rooms(json!({})).await, Some(50));
    assert_eq!(rooms(Value::Null).await, Some(50));
    assert_eq!(rooms(json!({ "n": 3 })).await, Some(3));
    assert_eq!(rooms(json!({ "n": 3.0 })).await, Some(3));
    assert_eq!(client.code(query, json!({ "n": null })).await, "GRAPHQL_VALIDATION_FAILED", "null is a value");
    let with_default = "query($n: Int = 7) { activeRooms(first: $n) { nodes { id } } }";
    let data = client.data(with_default, json!({})).await;
    assert_eq!(data["activeRooms"]["nodes"].as_array().map(Vec::len), Some(7));
    // Also in fragments, and if another operation of the document has the same variable.
    let several = "query A($n: Int) { ...F } query B($n: Int!) { ...F }
        fragment F on Query { activeRooms(first: $n) { nodes { id } } }";
    let body = json!({ "query": several, "operationName": "A" });
    let answer = http::Client::of(&server.url("")).post("/graphql", &body).await.json();
    assert_eq!(answer["data"]["activeRooms"]["nodes"].as_array().map(Vec::len), Some(50), "{answer}");
}

#[tokio::test]
async fn an_absent_variable_in_an_input_object_leaves_its_field_absent_unless_it_is_required() {
    let server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    let send = "mutation($id: ID!, $code: String!, $text: String!, $name: String, $user: ID, $token: String, $client: ID) {
        sendMessage(input: { roomId: $id, roomCode: $code, text: $text, displayName: $name, userId: $user, token: $token,
            clientMessageId: $client }) { message { text } author { id displayName } } }";
    let data = client
        .data(send, json!({ "id": room.id, "code": room.code, "text": "hi", "user": 1_234_567_890_123_u64 }))
        .await;
    assert_eq!(data["sendMessage"]["author"]["id"], "1234567890123");
    assert!(data["sendMessage"]["author"]["displayName"].as_str().is_some_and(|name| name.starts_with("Anon")));
    for (variables, missing) in [
        (json!({ "id": room.id, "code": room.code }), "text"),
        (json!({ "id": room.id, "code": room.code, "text": null }), "text"),
    ] {
        let answer = client.request(send, variables).await;
        assert_eq!(error_code(&answer), "GRAPHQL_VALIDATION_FAILED");
        assert!(answer["errors"][0]["message"].to_string().contains(missing), "{answer}");
    }
    // The other fields are checked even if one is a variable.
    for fields in ["nope: 1", "userId: 1.5", "displayName: 5", "clientMessageId: null token: {}"] {
        let query = format!(
            "mutation($t: String!) {{ sendMessage(input: {{ roomId: \"{}\", roomCode: \"{}\", text: $t, {fields} }}) {{ token }} }}",
            room.id, room.code
        );
        assert_eq!(client.code(&query, json!({ "t": "x" })).await, "GRAPHQL_VALIDATION_FAILED", "{fields}");
    }
}

#[tokio::test]
async fn large_integers_as_ids_keep_all_their_digits() {
    let server = Server::embedded();
    let client = server.client();
    let room = client.create_room().await;
    for (literal, id) in
        [("123456789012345678901234567890", "123456789012345678901234567890"), ("9007199254740993", "9007199254740993")]
    {
        let query = format!(
            "mutation {{ sendMessage(input: {{ roomId: \"{}\", roomCode: \"{}\", text: \"x\", userId: {literal} }}) {{ author {{ id }} }} }}",
            room.id, room.code
        );
        assert_eq!(client.data(&query, json!({})).await["sendMessage"]["author"]["id"], id);
    }
    for literal in ["2147483648", "-2147483649", "99999999999999999999", "1.0", "1e1"] {
        let query = format!("{{ activeRooms(first: {literal}) {{ totalCount }} }}");
        assert_eq!(client.code(&query, json!({})).await, "GRAPHQL_VALIDATION_FAILED", "{literal}");
    }
}
