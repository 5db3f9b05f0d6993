//! Users, names and tokens.

use serde_json::{Value, json};

use super::legacy_room::{
    self, ALICE, BAD_TOKEN, BOB, FORBIDDEN, LegacyRoom, SHORT_USER_ID, assert_error, expect_token,
};

#[tokio::test]
async fn every_accepted_action_returns_a_new_token() {
    let room = LegacyRoom::new().await;
    let mut tokens = vec![room.send_as(ALICE, "", "one").await];
    tokens.push(room.send_as(ALICE, &tokens[0], "two").await);
    tokens.push(expect_token(&room.edit(room.change_body(ALICE, &tokens[1], json!(0)), "uno").await));
    tokens.push(expect_token(&room.delete(&room.change_body(ALICE, &tokens[2], json!(1))).await));
    room.send_as(ALICE, &tokens[3], "three").await;
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 4);
}

#[tokio::test]
async fn lost_response_does_not_lock_the_user_out() {
    let room = LegacyRoom::new().await;
    let first = room.send_as(ALICE, "", "one").await;
    let lost = room.send_as(ALICE, &first, "two").await;
    let repeated = room.send_as(ALICE, &first, "three").await;
    let next = room.send_as(ALICE, &lost, "four").await;
    assert_ne!(next, repeated);
    room.send_as(ALICE, &repeated, "five").await;
    assert_error(&room.send(&room.send_body(ALICE, &first, "six")).await, 403, 403, BAD_TOKEN);
}

#[tokio::test]
async fn concurrent_requests_with_one_token_all_return_valid_tokens() {
    let room = LegacyRoom::new().await;
    let token = room.send_as(ALICE, "", "one").await;
    let body = room.send_body(ALICE, &token, "race");
    let answers = futures_util::future::join_all((0..20).map(|_| room.send(&body))).await;
    for answer in answers {
        let token = expect_token(&answer);
        room.send_as(ALICE, &token, "works").await;
    }
    assert_eq!(room.record().await["messages"].as_array().expect("a list").len(), 41);
}

#[tokio::test]
async fn token_is_valid_in_all_rooms() {
    let mut room = LegacyRoom::new().await;
    let token = room.send_as(ALICE, "", "here").await;
    (room.id, room.code) = legacy_room::create_room(&room.client).await;
    let token = room.send_as(ALICE, &token, "there").await;
    assert_error(&room.send(&room.send_body(ALICE, "", "nowhere")).await, 403, 403, BAD_TOKEN);
    room.send_as(ALICE, &token, "there").await;
}

#[tokio::test]
async fn each_user_without_an_id_is_assigned_a_different_one() {
    let room = LegacyRoom::new().await;
    let user = |answer: Value| answer["data"]["user_id"].as_str().expect("an id").to_owned();
    let one = user(room.send(&room.send_body("None", "", "hi")).await.json());
    let other = room.send(&room.send_body("None", "whatever", "hi")).await;
    let token = expect_token(&other);
    let other = user(other.json());
    assert_ne!(one, other);
    assert!(one.chars().count() >= 10 && one != "None");
    room.send_as(&other, &token, "again").await;
}

#[tokio::test]
async fn user_id_has_at_least_ten_characters() {
    let room = LegacyRoom::new().await;
    room.send_as("0123456789", "", "ten").await;
    room.send_as("ääääääääää", "", "ten").await;
    for user in [" ", "012345678", "äääääääää", "none"] {
        assert_error(&room.send(&room.send_body(user, "", "hi")).await, 403, 403, SHORT_USER_ID);
    }
    for user in ["None", "short"] {
        let body = room.change_body(user, "token", json!(0));
        assert_error(&room.edit(body.clone(), "hi").await, 403, 403, SHORT_USER_ID);
        assert_error(&room.delete(&body).await, 403, 403, SHORT_USER_ID);
    }
}

#[tokio::test]
async fn errors_are_checked_in_the_order_of_the_contract() {
    let room = LegacyRoom::new().await;
    let token = room.send_as(ALICE, "", "one").await;
    let mut wrong_everywhere = room.change_body("short", "bad", json!(-1));
    wrong_everywhere["room_code"] = json!("bad");
    wrong_everywhere["room_id"] = json!("bad");
    let mut message = async |field: &str, value: &str| {
        wrong_everywhere[field] = value.into();
        room.delete(&wrong_everywhere).await.json()["message"].as_str().expect("a message").to_owned()
    };
    assert_eq!(message("token", "bad").await, legacy_room::NO_SUCH_ROOM);
    assert_eq!(message("room_id", &room.id).await, legacy_room::WRONG_CODE);
    assert_eq!(message("room_code", &room.code).await, SHORT_USER_ID);
    assert_eq!(message("user_id", "unknown-user-xyz").await, FORBIDDEN);
    assert_eq!(message("user_id", ALICE).await, BAD_TOKEN);
    assert_eq!(message("token", &token).await, legacy_room::NO_SUCH_MESSAGE);
}

#[tokio::test]
async fn first_display_name_is_final() {
    let room = LegacyRoom::new().await;
    let name = |answer: Value| answer["data"]["display_name"].as_str().expect("a name").to_owned();
    let mut body = room.send_body(ALICE, "", "hi");
    body["display_name"] = json!("Alice");
    let sent = room.send(&body).await;
    body["token"] = json!(expect_token(&sent));
    body["display_name"] = json!("Mallory");
    assert_eq!(name(room.send(&body).await.json()), "Alice");
}

#[tokio::test]
async fn user_without_a_name_is_anonymous() {
    let room = LegacyRoom::new().await;
    for (user, given) in [(ALICE, json!("")), (BOB, json!(null)), ("carol-012345", json!("absent"))] {
        let mut body = room.send_body(user, "", "hi");
        if given != "absent" {
            body["display_name"] = given;
        }
        let sent = room.send(&body).await.json();
        let digits = sent["data"]["display_name"].as_str().and_then(|name| name.strip_prefix("Anon#")).expect("a name");
        assert!(digits.len() == 5 && digits.bytes().all(|byte| byte.is_ascii_digit()));
    }
}
