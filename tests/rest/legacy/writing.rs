//! Sending, editing and deleting messages.

use serde_json::json;

use super::legacy_room::{ALICE, BOB, FORBIDDEN, LegacyRoom, NO_SUCH_MESSAGE, assert_error, expect_token};

#[tokio::test]
async fn only_the_author_can_change_a_message() {
    let room = LegacyRoom::new().await;
    room.send_as(ALICE, "", "mine").await;
    let bob = room.send_as(BOB, "", "yours").await;
    assert_error(&room.edit(room.change_body(BOB, &bob, json!(0)), "ours").await, 403, 403, FORBIDDEN);
    assert_error(&room.delete(&room.change_body(BOB, &bob, json!(0))).await, 403, 403, FORBIDDEN);
    assert_eq!(room.record().await["messages"][0]["message"], "mine");
}

#[tokio::test]
async fn rejected_change_keeps_the_token_valid() {
    let room = LegacyRoom::new().await;
    room.send_as(ALICE, "", "mine").await;
    let bob = room.send_as(BOB, "", "yours").await;
    for _ in 0..3 {
        assert_error(&room.delete(&room.change_body(BOB, &bob, json!(0))).await, 403, 403, FORBIDDEN);
    }
    room.send_as(BOB, &bob, "still here").await;
}

#[tokio::test]
async fn deleted_text_is_gone_and_the_message_keeps_its_id() {
    let room = LegacyRoom::new().await;
    let token = room.send_as(ALICE, "", "secret words").await;
    let token = room.send_as(ALICE, &token, "second").await;
    let answer = room.delete(&room.change_body(ALICE, &token, json!(0))).await;
    let token = expect_token(&answer);
    let data = json!({ "room": room.id, "user_id": ALICE, "message": "", "message_id": 0, "token": token });
    let expected = json!({ "status_code": 200, "message": "sucessful", "data": data });
    assert_eq!(answer.json(), expected);
    let record = room.record().await;
    assert!(!record.to_string().contains("secret"));
    assert_eq!(record["messages"][0]["message"], "");
    assert_eq!(record["messages"][0]["deleted"], true);
    assert_eq!(record["messages"][1]["message"], "second");
    let third = room.send(&room.send_body(ALICE, &token, "third")).await;
    assert_eq!(third.json()["data"]["message_id"], 2);
}

#[tokio::test]
async fn deleted_message_cannot_be_changed() {
    let room = LegacyRoom::new().await;
    let token = room.send_as(ALICE, "", "words").await;
    let token = expect_token(&room.delete(&room.change_body(ALICE, &token, json!(0))).await);
    let again = room.change_body(ALICE, &token, json!(0));
    assert_error(&room.edit(again.clone(), "more").await, 404, 503, NO_SUCH_MESSAGE);
    assert_error(&room.delete(&again).await, 404, 503, NO_SUCH_MESSAGE);
}

#[tokio::test]
async fn unknown_message_is_reported_as_such() {
    let room = LegacyRoom::new().await;
    let token = room.send_as(ALICE, "", "words").await;
    let large = serde_json::from_str("99999999999999999999999").expect("a number");
    for id in [json!(1), json!(-1), json!("-1"), json!(i64::MAX), json!(i64::MIN), large, json!("9".repeat(30))] {
        let body = room.change_body(ALICE, &token, id.clone());
        assert_error(&room.edit(body.clone(), "more").await, 404, 503, NO_SUCH_MESSAGE);
        assert_error(&room.delete(&body).await, 404, 503, NO_SUCH_MESSAGE);
    }
}

#[tokio::test]
async fn message_id_may_be_a_string() {
    let room = LegacyRoom::new().await;
    let mut token = room.send_as(ALICE, "", "zero").await;
    token = room.send_as(ALICE, &token, "one").await;
    for id in [json!(1), json!("1"), json!(" +01 "), json!(1.0), json!(true)] {
        let answer = room.edit(room.change_body(ALICE, &token, id), "more").await;
        token = expect_token(&answer);
        assert_eq!(answer.json()["data"]["message_id"], 1);
    }
}

#[tokio::test]
async fn edit_response_has_the_exact_form_of_the_original() {
    let room = LegacyRoom::new().await;
    let token = room.send_as(ALICE, "", "words").await;
    let answer = room.edit(room.change_body(ALICE, &token, json!(0)), "words\n\tand \"more\" 🦀").await;
    let token = expect_token(&answer);
    let expected = format!(
        concat!(
            r#"{{"status_code":200,"message":"sucessful","data":{{"room":"{}","user_id":"{}","#,
            r#""message":"words\n\tand \"more\" 🦀","message_id":0,"token":"{}"}}}}"#
        ),
        room.id, ALICE, token
    );
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn fifty_concurrent_senders_lose_no_message() {
    let room = LegacyRoom::new().await;
    let senders = (0..50).map(async |sender| {
        let (user, mut token) = (format!("sender-{sender:04}"), String::new());
        for _ in 0..10 {
            token = room.send_as(&user, &token, "hi").await;
        }
    });
    futures_util::future::join_all(senders).await;
    let record = room.record().await;
    assert_eq!(record["messages"].as_array().expect("a list").len(), 500);
    assert_eq!(record["chatters_amount"], 50);
}
