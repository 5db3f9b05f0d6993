//! Users and their tokens.

use serde_json::{Value, json};

use super::caller::{self, ALICE, BAD_TOKEN, BOB, Caller, FORBIDDEN, SHORT_USER_ID, assert_refused, token_of};

#[tokio::test]
async fn every_accepted_action_returns_a_new_token() {
    let caller = Caller::new().await;
    let mut tokens = vec![caller.say(ALICE, "", "one").await];
    tokens.push(caller.say(ALICE, &tokens[0], "two").await);
    tokens.push(token_of(&caller.edit(caller.changing(ALICE, &tokens[1], json!(0)), "uno").await));
    tokens.push(token_of(&caller.delete(&caller.changing(ALICE, &tokens[2], json!(1))).await));
    caller.say(ALICE, &tokens[3], "three").await;
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 4);
}

#[tokio::test]
async fn a_lost_answer_locks_nobody_out() {
    let caller = Caller::new().await;
    let first = caller.say(ALICE, "", "one").await;
    let lost = caller.say(ALICE, &first, "two").await;
    let repeated = caller.say(ALICE, &first, "three").await;
    let next = caller.say(ALICE, &lost, "four").await;
    assert_ne!(next, repeated);
    caller.say(ALICE, &repeated, "five").await;
    assert_refused(&caller.send(&caller.saying(ALICE, &first, "six")).await, 403, 403, BAD_TOKEN);
}

#[tokio::test]
async fn every_answer_of_a_raced_token_carries_one_that_works() {
    let caller = Caller::new().await;
    let token = caller.say(ALICE, "", "one").await;
    let body = caller.saying(ALICE, &token, "race");
    let answers = futures_util::future::join_all((0..20).map(|_| caller.send(&body))).await;
    for answer in answers {
        let token = token_of(&answer);
        caller.say(ALICE, &token, "works").await;
    }
    assert_eq!(caller.record().await["messages"].as_array().expect("a list").len(), 41);
}

#[tokio::test]
async fn one_token_serves_all_rooms() {
    let mut caller = Caller::new().await;
    let token = caller.say(ALICE, "", "here").await;
    (caller.room, caller.code) = caller::create(&caller.client).await;
    let token = caller.say(ALICE, &token, "there").await;
    assert_refused(&caller.send(&caller.saying(ALICE, "", "nowhere")).await, 403, 403, BAD_TOKEN);
    caller.say(ALICE, &token, "there").await;
}

#[tokio::test]
async fn a_user_without_an_id_is_given_one_of_its_own() {
    let caller = Caller::new().await;
    let user = |answer: Value| answer["data"]["user_id"].as_str().expect("an id").to_owned();
    let one = user(caller.send(&caller.saying("None", "", "hi")).await.json());
    let other = caller.send(&caller.saying("None", "whatever", "hi")).await;
    let token = token_of(&other);
    let other = user(other.json());
    assert_ne!(one, other);
    assert!(one.chars().count() >= 10 && one != "None");
    caller.say(&other, &token, "again").await;
}

#[tokio::test]
async fn a_user_id_has_ten_characters_at_least() {
    let caller = Caller::new().await;
    caller.say("0123456789", "", "ten").await;
    caller.say("ääääääääää", "", "ten").await;
    for user in [" ", "012345678", "äääääääää", "none"] {
        assert_refused(&caller.send(&caller.saying(user, "", "hi")).await, 403, 403, SHORT_USER_ID);
    }
    for user in ["None", "short"] {
        let body = caller.changing(user, "token", json!(0));
        assert_refused(&caller.edit(body.clone(), "hi").await, 403, 403, SHORT_USER_ID);
        assert_refused(&caller.delete(&body).await, 403, 403, SHORT_USER_ID);
    }
}

#[tokio::test]
async fn checks_come_in_the_order_of_the_contract() {
    let caller = Caller::new().await;
    let token = caller.say(ALICE, "", "one").await;
    let mut wrong_everywhere = caller.changing("short", "bad", json!(-1));
    wrong_everywhere["room_code"] = json!("bad");
    wrong_everywhere["room_id"] = json!("bad");
    let mut message = async |field: &str, value: &str| {
        wrong_everywhere[field] = value.into();
        caller.delete(&wrong_everywhere).await.json()["message"].as_str().expect("a message").to_owned()
    };
    assert_eq!(message("token", "bad").await, caller::NO_SUCH_ROOM);
    assert_eq!(message("room_id", &caller.room).await, caller::WRONG_CODE);
    assert_eq!(message("room_code", &caller.code).await, SHORT_USER_ID);
    assert_eq!(message("user_id", "unknown-user-xyz").await, FORBIDDEN);
    assert_eq!(message("user_id", ALICE).await, BAD_TOKEN);
    assert_eq!(message("token", &token).await, caller::NO_SUCH_MESSAGE);
}

#[tokio::test]
async fn the_first_name_stays() {
    let caller = Caller::new().await;
    let name = |answer: Value| answer["data"]["display_name"].as_str().expect("a name").to_owned();
    let mut body = caller.saying(ALICE, "", "hi");
    body["display_name"] = json!("Alice");
    let sent = caller.send(&body).await;
    body["token"] = json!(token_of(&sent));
    body["display_name"] = json!("Mallory");
    assert_eq!(name(caller.send(&body).await.json()), "Alice");
}

#[tokio::test]
async fn who_gives_no_name_is_anonymous() {
    let caller = Caller::new().await;
    for (user, given) in [(ALICE, json!("")), (BOB, json!(null)), ("carol-012345", json!("absent"))] {
        let mut body = caller.saying(user, "", "hi");
        if given != "absent" {
            body["display_name"] = given;
        }
        let sent = caller.send(&body).await.json();
        let digits = sent["data"]["display_name"].as_str().and_then(|name| name.strip_prefix("Anon#")).expect("a name");
        assert!(digits.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    }
}
