//! Bodies that cannot be read, or hold what no room takes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::caller::{ALICE, Caller, SHORT_USER_ID, assert_refused};
use crate::support::http::Answer;
use crate::support::server::Server;

const SEND: &str = "/room/message/send";
const EDIT: &str = "/room/message/edit";
const DELETE: &str = "/room/message/delete";

#[track_caller]
fn assert_details(answer: &Answer, expected: Value) {
    assert_eq!((answer.status, answer.json()), (422, json!({ "detail": expected })));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

fn missing(field: &str) -> Value {
    json!({ "type": "missing", "loc": ["body", field], "msg": "Field required" })
}

#[tokio::test]
async fn every_missing_field_is_listed_in_the_order_of_the_contract() {
    let caller = Caller::new().await;
    for (path, fields) in [
        ("/room", &["room_id", "room_code"][..]),
        (SEND, &["room_code", "user_id", "room_id", "message"]),
        (EDIT, &["room_code", "user_id", "message_id", "room_id", "token", "message"]),
        (DELETE, &["room_code", "user_id", "message_id", "room_id", "token"]),
    ] {
        let details = fields.iter().map(|field| missing(field)).collect();
        assert_details(&caller.client.post(path, &json!({ "extra": 1 })).await, details);
    }
}

#[tokio::test]
async fn a_field_of_another_type_is_listed_as_such() {
    let caller = Caller::new().await;
    let string =
        |field| json!({ "type": "string_type", "loc": ["body", field], "msg": "Input should be a valid string" });
    let body = json!({ "room_code": 1, "user_id": null, "display_name": [], "token": {}, "message": true });
    let expected = json!([
        string("room_code"),
        string("user_id"),
        string("display_name"),
        missing("room_id"),
        string("token"),
        string("message"),
    ]);
    assert_details(&caller.client.post(SEND, &body).await, expected);
}

#[tokio::test]
async fn a_message_id_that_is_no_integer_says_why() {
    let caller = Caller::new().await;
    for (id, kind, msg) in [
        (json!(null), "int_type", "Input should be a valid integer"),
        (json!([0]), "int_type", "Input should be a valid integer"),
        (json!("one"), "int_parsing", "Input should be a valid integer, unable to parse string as an integer"),
        (json!(1.5), "int_from_float", "Input should be a valid integer, got a number with a fractional part"),
    ] {
        let answer = caller.delete(&caller.changing(ALICE, "token", id)).await;
        assert_details(&answer, json!([{ "type": kind, "loc": ["body", "message_id"], "msg": msg }]));
    }
}

#[tokio::test]
async fn null_is_as_good_as_absent_where_a_field_is_optional() {
    let caller = Caller::new().await;
    let body = caller.body(&[
        ("user_id", json!(ALICE)),
        ("display_name", json!(null)),
        ("token", json!(null)),
        ("message", json!("hi")),
    ]);
    assert_eq!(caller.send(&body).await.status, 200);
}

#[tokio::test]
async fn of_a_field_that_comes_twice_the_last_counts() {
    let caller = Caller::new().await;
    let body = format!(r#"{{"room_code":1,"room_id":"{}","room_code":"{}"}}"#, caller.room, caller.code);
    assert_eq!(caller.client.post_text("/room", &body).await.status, 200);
}

#[tokio::test]
async fn what_is_not_json_is_placed() {
    let caller = Caller::new().await;
    for (body, place) in [(r#"{"room_id":"#, 11), ("garbage", 0), ("{} {}", 3), (r#"{"a": 01}"#, 7)] {
        let expected = json!([{ "type": "json_invalid", "loc": ["body", place], "msg": "JSON decode error" }]);
        assert_details(&caller.client.post_text("/room", body).await, expected);
    }
}

#[tokio::test]
async fn a_body_that_is_no_object_is_one_problem() {
    let caller = Caller::new().await;
    for body in ["", "null"] {
        let expected = json!([{ "type": "missing", "loc": ["body"], "msg": "Field required" }]);
        assert_details(&caller.client.post_text("/room", body).await, expected);
    }
    let msg = "Input should be a valid dictionary or object to extract fields from";
    let expected = json!([{ "type": "model_attributes_type", "loc": ["body"], "msg": msg }]);
    for body in ["[]", "1", "\"text\""] {
        assert_details(&caller.client.post_text("/room", body).await, expected.clone());
    }
    let body = caller.body(&[]).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded"] {
        let request = caller.client.request("POST", "/room").header("content-type", kind).body(body.clone());
        assert_details(&Answer::to(request).await, expected.clone());
    }
}

#[tokio::test]
async fn json_is_read_under_any_of_its_names_and_under_none() {
    let caller = Caller::new().await;
    let request = || caller.client.request("POST", "/room").body(caller.body(&[]).to_string());
    assert_eq!(Answer::to(request()).await.status, 200);
    for kind in ["application/json; charset=utf-8", "application/vnd.api+json", "APPLICATION/JSON"] {
        assert_eq!(Answer::to(request().header("content-type", kind)).await.status, 200, "{kind}");
    }
}

/// What the original's framework answered to bodies of every kind; `record_bodies.py` recorded it.
#[tokio::test]
async fn every_body_that_the_original_could_read_is_read_and_every_other_is_refused_in_the_same_place() {
    let caller = Caller::new().await;
    let recording: Value = serde_json::from_str(include_str!("recorded_bodies.json")).expect("the recording");
    let answers = recording["answers"].as_array().expect("answers");
    assert!(answers.len() > 500);
    let mut complaints = Vec::new();
    for recorded in answers {
        let body = hex::decode(recorded["body"].as_str().expect("a body")).expect("bytes");
        let shown = String::from_utf8_lossy(&body).into_owned();
        let request = caller.client.request("POST", DELETE).header("content-type", "application/json").body(body);
        let answer = Answer::to(request).await;
        let details = answer.json()["detail"].as_array().map(|details| {
            let short = |detail: &Value| {
                let place = &detail["loc"].as_array().expect("a place")[1..];
                [&[detail["type"].clone()], place].concat()
            };
            json!(details.iter().map(short).collect::<Vec<_>>())
        });
        let is_as_recorded = match recorded["status"].as_u64() {
            // The room of the recording is not there, which is found out when a body has been read.
            Some(200) => answer.status == 404,
            Some(422) => answer.status == 422 && details.as_ref() == Some(&recorded["detail"]),
            Some(400) => answer.status == 400,
            // The original could not write down what was wrong.
            Some(500) => answer.status == 422,
            _ => false,
        };
        if !is_as_recorded {
            complaints.push(format!("{shown:?} was answered with {} {}, not {recorded}", answer.status, answer.body));
        }
    }
    assert!(complaints.is_empty(), "{}:\n{}", complaints.len(), complaints.join("\n"));
}

#[tokio::test]
async fn a_body_is_read_in_any_encoding_of_unicode_with_and_without_a_byte_order_mark() {
    let caller = Caller::new().await;
    let mut body = caller.saying(ALICE, "", "größer 🦀");
    let mut said = 0;
    for mark in ["", "\u{feff}"] {
        for encode in [utf8, utf16_be, utf16_le, utf32_be, utf32_le] {
            body["user_id"] = json!(format!("user-{said:010}"));
            let bytes = encode(&format!("{mark}{body}"));
            let request = caller.client.request("POST", SEND).header("content-type", "application/json").body(bytes);
            let answer = Answer::to(request).await;
            assert_eq!((answer.status, &answer.json()["data"]["message"]), (200, &json!("größer 🦀")));
            said += 1;
        }
    }
    let texts: Vec<_> = caller.record().await["messages"].as_array().expect("messages").clone();
    assert!(texts.len() == 10 && texts.iter().all(|message| message["message"] == "größer 🦀"));
}

fn utf8(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn utf16_be(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_be_bytes).collect()
}

fn utf16_le(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn utf32_be(text: &str) -> Vec<u8> {
    text.chars().flat_map(|character| u32::from(character).to_be_bytes()).collect()
}

fn utf32_le(text: &str) -> Vec<u8> {
    text.chars().flat_map(|character| u32::from(character).to_le_bytes()).collect()
}

#[tokio::test]
async fn a_first_visit_without_a_user_id_is_given_one() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let caller = Caller::at(server).await;
        let mut users = BTreeSet::new();
        for nobody in ["", "None", ""] {
            let mut body = caller.saying(nobody, "", "hi");
            body["display_name"] = json!("");
            body["token"] = json!("");
            let data = caller.send(&body).await.json()["data"].clone();
            let user = data["user_id"].as_str().expect("a user id").to_owned();
            assert!(user.len() >= 10, "{data}");
            // It is a user like any other.
            caller.say(&user, data["token"].as_str().expect("a token"), "again").await;
            users.insert(user);
        }
        assert_eq!(users.len(), 3, "each is somebody else");
        // Nobody can change a message.
        for nobody in ["", "None"] {
            let answer = caller.delete(&caller.changing(nobody, "token", json!(0))).await;
            assert_refused(&answer, 403, 403, SHORT_USER_ID);
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused() {
    let caller = Caller::new().await;
    let answer = Answer::to(caller.client.request("POST", "/room").body(&b"{\"room_id\": \"\xff\"}"[..])).await;
    let expected = json!({ "detail": "There was an error parsing the body" });
    assert_eq!((answer.status, answer.json()), (400, expected));
}

#[tokio::test]
async fn texts_that_no_room_takes_are_one_problem_of_their_field() {
    let caller = Caller::new().await;
    for (field, value, problem) in [
        ("message", "", "must not be empty"),
        ("message", "\0", "must not contain control characters"),
        ("message", &"x".repeat(4_001), "may have at most 4000 characters, this one has 4001"),
        ("display_name", &"x".repeat(65), "may have at most 64 characters, this one has 65"),
        ("display_name", "a\nb", "must not contain control characters"),
        ("user_id", &"x".repeat(129), "may have at most 128 characters, this one has 129"),
        ("user_id", "0123456789\n", "must not contain control characters"),
    ] {
        let mut body = caller.saying(ALICE, "", "hi");
        body[field] = json!(value);
        let msg = format!("{field} {problem}");
        let expected = json!([{ "type": "value_error", "loc": ["body", field], "msg": msg }]);
        assert_details(&caller.send(&body).await, expected);
    }
    assert_eq!(caller.record().await["messages"], json!([]));
}

#[tokio::test]
async fn an_edit_takes_no_text_that_a_send_would_not() {
    let caller = Caller::new().await;
    let token = caller.say(ALICE, "", "hi").await;
    let answer = caller.edit(caller.changing(ALICE, &token, json!(0)), "").await;
    let msg = "message must not be empty";
    assert_details(&answer, json!([{ "type": "value_error", "loc": ["body", "message"], "msg": msg }]));
}

#[tokio::test]
async fn half_a_surrogate_pair_is_refused_and_breaks_nothing() {
    let caller = Caller::new().await;
    for field in ["room_code", "user_id", "display_name", "room_id", "token", "message"] {
        let mut body = caller.saying(ALICE, "token", "hi");
        body[field] = json!("HALF");
        for half in [r"\ud800", r"\udc00", r"\ud800\u0041", r"\ud83d"] {
            let answer = caller.client.post_text(SEND, &body.to_string().replace("HALF", half)).await;
            let msg = "must be text, without half surrogate pairs";
            assert_details(&answer, json!([{ "type": "value_error", "loc": ["body", field], "msg": msg }]));
        }
    }
    let body = caller.saying(ALICE, "", "HALF").to_string().replace("HALF", r"\ud83e\udd80");
    assert_eq!(caller.client.post_text(SEND, &body).await.status, 200);
    assert_eq!(caller.record().await["messages"][0]["message"], "🦀");
}

#[tokio::test]
async fn nothing_of_a_refused_body_comes_back() {
    let caller = Caller::new().await;
    let mut body = caller.changing("my-user-id", "my-token", json!("my-index"));
    body["display_name"] = json!(7);
    for path in ["/room/message/send", EDIT, DELETE] {
        let answer = caller.client.post(path, &body).await;
        assert_eq!(answer.status, 422);
        assert!(!answer.body.contains("my-") && !answer.body.contains(&caller.code), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_too_large() {
    let caller = Caller::new().await;
    let answer = caller.send(&caller.saying(ALICE, "", &"x".repeat(65 * 1024))).await;
    let expected = json!({ "detail": "Request body too large" });
    assert_eq!((answer.status, answer.json()), (413, expected));
}
