//! The legacy routes obey what the owner of a room has set over GraphQL, and report it in their envelope.

use serde_json::json;

use super::legacy_room::{ALICE, BOB, LegacyRoom, NO_SUCH_ROOM, assert_error, expect_token};
use crate::support::owner::OwnedRoom;
use crate::support::server::Server;

const BANNED: &str = "the owner has banned this user from the room";
const LOCKED: &str = "the room is locked; only its owner may write, edit and react";
const SLOW: &str = "the room is in slow mode; wait before the next message";

/// A room on each store, with its owner and a client of the legacy routes.
async fn rooms() -> Vec<(OwnedRoom, LegacyRoom, Option<crate::support::redis_server::RedisServer>)> {
    let mut rooms = Vec::new();
    for (server, redis) in Server::on_each_store(&[]).await {
        let owned = OwnedRoom::create(&server.client()).await;
        let legacy = LegacyRoom::of(server, &owned.key);
        rooms.push((owned, legacy, redis));
    }
    rooms
}

#[tokio::test]
async fn a_banned_user_may_only_read_and_delete() {
    for (owner, room, _redis) in rooms().await {
        let mut token = room.send_as(ALICE, "", "rude").await;
        owner.act("banUser", json!({ "userId": ALICE }), "cursor").await;
        assert_error(&room.send(&room.send_body(ALICE, &token, "again")).await, 403, 403, BANNED);
        assert_error(&room.send(&room.send_body(BOB, "", "a new id at the same address")).await, 403, 403, BANNED);
        let edited = room.edit(room.change_body(ALICE, &token, json!(0)), "changed").await;
        assert_error(&edited, 403, 403, BANNED);
        assert_eq!(room.record().await["messages"].as_array().map(Vec::len), Some(1));
        token = expect_token(&room.delete(&room.change_body(ALICE, &token, json!(0))).await);
        owner.act("unbanUser", json!({ "userId": ALICE }), "cursor").await;
        room.send_as(ALICE, &token, "sorry").await;
    }
}

#[tokio::test]
async fn a_locked_room_accepts_only_deletions() {
    for (owner, room, _redis) in rooms().await {
        let token = room.send_as(ALICE, "", "hello").await;
        owner.update(json!({ "locked": true })).await;
        assert_error(&room.send(&room.send_body(ALICE, &token, "again")).await, 403, 403, LOCKED);
        assert_error(&room.edit(room.change_body(ALICE, &token, json!(0)), "changed").await, 403, 403, LOCKED);
        expect_token(&room.delete(&room.change_body(ALICE, &token, json!(0))).await);
    }
}

#[tokio::test]
async fn slow_mode_answers_429_with_the_time_to_wait() {
    for (owner, room, _redis) in rooms().await {
        owner.update(json!({ "slowModeSeconds": 600 })).await;
        let token = room.send_as(ALICE, "", "hello").await;
        let refused = room.send(&room.send_body(ALICE, &token, "again")).await;
        assert_error(&refused, 429, 429, SLOW);
        let wait: u64 = refused.header("retry-after").expect("the header").parse().expect("seconds");
        assert!((1..=600).contains(&wait), "{wait}");
        expect_token(&room.edit(room.change_body(ALICE, &token, json!(0)), "changed").await);
    }
}

#[tokio::test]
async fn messages_that_the_owner_removed_are_shown_as_deleted_and_an_ended_room_is_missing() {
    for (owner, room, _redis) in rooms().await {
        room.send_as(ALICE, "", "rude").await;
        let id = format!("{}-0", owner.key.id);
        owner.act("removeMessage", json!({ "messageId": id }), "cursor").await;
        let record = room.record().await;
        assert_eq!(record["messages"][0]["deleted"], true);
        assert!(!record.to_string().contains("rude"));
        owner.end().await;
        let answer = room.client.post("/v1/room/", &room.body(&[])).await;
        let expected = json!({ "status_code": 404, "message": NO_SUCH_ROOM, "data": null, "room": room.id });
        assert_eq!((answer.status, answer.json()), (404, expected));
    }
}
