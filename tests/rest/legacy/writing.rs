//! Sending, editing and deleting messages.

use serde_json::json;

use super::caller::{ALICE, BOB, Caller, FORBIDDEN, NO_SUCH_MESSAGE, assert_refused, token_of};

#[tokio::test]
async fn only_its_author_changes_a_message() {
    let caller = Caller::new().await;
    caller.say(ALICE, "", "mine").await;
    let bob = caller.say(BOB, "", "yours").await;
    assert_refused(&caller.edit(caller.changing(BOB, &bob, json!(0)), "ours").await, 403, 403, FORBIDDEN);
    assert_refused(&caller.delete(&caller.changing(BOB, &bob, json!(0))).await, 403, 403, FORBIDDEN);
    assert_eq!(caller.record().await["messages"][0]["message"], "mine");
}

#[tokio::test]
async fn a_refused_change_leaves_the_token_good() {
    let caller = Caller::new().await;
    caller.say(ALICE, "", "mine").await;
    let bob = caller.say(BOB, "", "yours").await;
    for _ in 0..3 {
        assert_refused(&caller.delete(&caller.changing(BOB, &bob, json!(0))).await, 403, 403, FORBIDDEN);
    }
    caller.say(BOB, &bob, "still here").await;
}

#[tokio::test]
async fn deleted_text_is_gone_and_its_place_stays() {
    let caller = Caller::new().await;
    let token = caller.say(ALICE, "", "secret words").await;
    let token = caller.say(ALICE, &token, "second").await;
    let answer = caller.delete(&caller.changing(ALICE, &token, json!(0))).await;
    let token = token_of(&answer);
    let data = json!({ "room": caller.room, "user_id": ALICE, "message": "", "message_id": 0, "token": token });
    let expected = json!({ "status_code": 200, "message": "sucessful", "data": data });
    assert_eq!(answer.json(), expected);
    let record = caller.record().await;
    assert!(!record.to_string().contains("secret"));
    assert_eq!(record["messages"][0]["message"], "");
    assert_eq!(record["messages"][0]["deleted"], true);
    assert_eq!(record["messages"][1]["message"], "second");
    let third = caller.send(&caller.saying(ALICE, &token, "third")).await;
    assert_eq!(third.json()["data"]["message_id"], 2);
}

#[tokio::test]
async fn a_deleted_message_takes_no_more_changes() {
    let caller = Caller::new().await;
    let token = caller.say(ALICE, "", "words").await;
    let token = token_of(&caller.delete(&caller.changing(ALICE, &token, json!(0))).await);
    let again = caller.changing(ALICE, &token, json!(0));
    assert_refused(&caller.edit(again.clone(), "more").await, 404, 503, NO_SUCH_MESSAGE);
    assert_refused(&caller.delete(&again).await, 404, 503, NO_SUCH_MESSAGE);
}

#[tokio::test]
async fn a_message_that_is_not_there_is_no_such_message() {
    let caller = Caller::new().await;
    let token = caller.say(ALICE, "", "words").await;
    let large = serde_json::from_str("99999999999999999999999").expect("a number");
    for id in [json!(1), json!(-1), json!("-1"), json!(i64::MAX), json!(i64::MIN), large, json!("9".repeat(30))] {
        let body = caller.changing(ALICE, &token, id.clone());
        assert_refused(&caller.edit(body.clone(), "more").await, 404, 503, NO_SUCH_MESSAGE);
        assert_refused(&caller.delete(&body).await, 404, 503, NO_SUCH_MESSAGE);
    }
}

#[tokio::test]
async fn a_message_id_may_be_a_string_that_holds_it() {
    let caller = Caller::new().await;
    let mut token = caller.say(ALICE, "", "zero").await;
    token = caller.say(ALICE, &token, "one").await;
    for id in [json!(1), json!("1"), json!(" +01 "), json!(1.0), json!(true)] {
        let answer = caller.edit(caller.changing(ALICE, &token, id), "more").await;
        token = token_of(&answer);
        assert_eq!(answer.json()["data"]["message_id"], 1);
    }
}

#[tokio::test]
async fn an_accepted_edit_keeps_its_place_and_its_keys_in_order() {
    let caller = Caller::new().await;
    let token = caller.say(ALICE, "", "words").await;
    let answer = caller.edit(caller.changing(ALICE, &token, json!(0)), "words\n\tand \"more\" 🦀").await;
    let token = token_of(&answer);
    let expected = format!(
        concat!(
            r#"{{"status_code":200,"message":"sucessful","data":{{"room":"{}","user_id":"{}","#,
            r#""message":"words\n\tand \"more\" 🦀","message_id":0,"token":"{}"}}}}"#
        ),
        caller.room, ALICE, token
    );
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn no_message_is_lost_with_fifty_senders_at_once() {
    let caller = Caller::new().await;
    let senders = (0..50).map(async |sender| {
        let (user, mut token) = (format!("sender-{sender:04}"), String::new());
        for _ in 0..10 {
            token = caller.say(&user, &token, "hi").await;
        }
    });
    futures_util::future::join_all(senders).await;
    let record = caller.record().await;
    assert_eq!(record["messages"].as_array().expect("a list").len(), 500);
    assert_eq!(record["chatters_amount"], 50);
}
