//! The status of refusals.

use serde_json::json;

use super::caller::{self, ALICE, BOB, Caller, assert_refused};
use crate::support::server::Server;

#[tokio::test]
async fn refusals_have_status_200_where_the_original_status_is_asked_for() {
    let caller = Caller::at(Server::with(&[("REST_ERROR_STATUS", "200")])).await;
    let token = caller.say(ALICE, "", "hi").await;
    let bob = caller.say(BOB, "", "hi").await;
    let delete = async |user: &str, token: &str, id: i64| caller.delete(&caller.changing(user, token, json!(id))).await;
    assert_refused(&delete(ALICE, &token, 9).await, 200, 503, caller::NO_SUCH_MESSAGE);
    assert_refused(&delete(BOB, &bob, 0).await, 200, 403, caller::FORBIDDEN);
    assert_refused(&delete(ALICE, "bad", 0).await, 200, 403, caller::BAD_TOKEN);
    assert_refused(&delete("short", "bad", 0).await, 200, 403, caller::SHORT_USER_ID);
    let mut body = caller.body(&[("room_code", json!("bad"))]);
    assert_refused(&caller.client.post("/room", &body).await, 200, 403, caller::WRONG_CODE);
    body["room_id"] = json!("bad");
    let answer = caller.client.post("/room", &body).await;
    assert_eq!(
        (answer.status, &answer.json()["status_code"], &answer.json()["room"]),
        (200, &json!(404), &json!("bad"))
    );
    assert_eq!(caller.client.post("/room", &json!({})).await.status, 422);
    assert_eq!(caller.client.get("/nope").await.status, 404);
}

#[tokio::test]
async fn a_full_room_says_so() {
    let caller = Caller::at(Server::with(&[("ROOM_MAX_MESSAGES", "1")])).await;
    caller.say(ALICE, "", "hi").await;
    let answer = caller.send(&caller.saying(BOB, "", "hi")).await;
    assert_refused(&answer, 507, 507, "the room is full");
    assert_eq!(caller.record().await["messages"].as_array().map(Vec::len), Some(1));
}
