//! The HTTP status of errors.

use serde_json::json;

use super::legacy_room::{self, ALICE, BOB, LegacyRoom, assert_error};
use crate::support::server::Server;

#[tokio::test]
async fn errors_have_status_200_if_so_configured() {
    let room = LegacyRoom::on(Server::with(&[("REST_ERROR_STATUS", "200")])).await;
    let token = room.send_as(ALICE, "", "hi").await;
    let bob = room.send_as(BOB, "", "hi").await;
    let delete = async |user: &str, token: &str, id: i64| room.delete(&room.change_body(user, token, json!(id))).await;
    assert_error(&delete(ALICE, &token, 9).await, 200, 503, legacy_room::NO_SUCH_MESSAGE);
    assert_error(&delete(BOB, &bob, 0).await, 200, 403, legacy_room::FORBIDDEN);
    assert_error(&delete(ALICE, "bad", 0).await, 200, 403, legacy_room::BAD_TOKEN);
    assert_error(&delete("short", "bad", 0).await, 200, 403, legacy_room::SHORT_USER_ID);
    let mut body = room.body(&[("room_code", json!("bad"))]);
    assert_error(&room.client.post("/room", &body).await, 200, 403, legacy_room::WRONG_CODE);
    body["room_id"] = json!("bad");
    let answer = room.client.post("/room", &body).await;
    assert_eq!(
        (answer.status, &answer.json()["status_code"], &answer.json()["room"]),
        (200, &json!(404), &json!("bad"))
    );
    assert_eq!(room.client.post("/room", &json!({})).await.status, 422);
    assert_eq!(room.client.get("/nope").await.status, 404);
}

#[tokio::test]
async fn full_room_rejects_messages_with_status_507() {
    let room = LegacyRoom::on(Server::with(&[("ROOM_MAX_MESSAGES", "1")])).await;
    room.send_as(ALICE, "", "hi").await;
    let answer = room.send(&room.send_body(BOB, "", "hi")).await;
    assert_error(&answer, 507, 507, "the room is full");
    assert_eq!(room.record().await["messages"].as_array().map(Vec::len), Some(1));
}
