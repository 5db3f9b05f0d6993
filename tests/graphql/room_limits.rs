//! Limits of rooms and messages, on each store and over both APIs.

use serde_json::json;

use crate::rest::legacy::legacy_room::{ALICE, LegacyRoom, assert_error, expect_token};
use crate::support::client::{User, error_code, text};
use crate::support::server::Server;

#[tokio::test]
async fn a_room_with_a_full_log_refuses_sends_and_edits_and_accepts_deletions() {
    for (server, _redis) in Server::on_each_store(&[("ROOM_MAX_EVENTS", "8")]).await {
        let (mut ada, room) = (User::of(server.client()), server.client().create_room().await);
        let mut ids = Vec::new();
        for n in 0..3 {
            ids.push(text(&ada.send(&room, &format!("message {n}")).await["id"]));
        }
        ada.edit(&room, &ids[0], "edited").await;
        ada.edit(&room, &ids[1], "edited").await;
        for _ in 0..3 {
            let answer = ada.try_change(&room, &ids[2], Some("edited")).await.expect("an answer");
            assert_eq!(error_code(&answer), "ROOM_FULL");
            assert_eq!(error_code(&ada.try_send(&room, "one more").await.expect("an answer")), "ROOM_FULL");
        }
        for id in &ids {
            ada.delete(&room, id).await;
        }
        assert_eq!(server.client().texts(&room).await, [None, None, None]);
        assert_eq!(error_code(&ada.try_send(&room, "one more").await.expect("an answer")), "ROOM_FULL");
    }
}

#[tokio::test]
async fn edits_of_a_message_are_limited_however_small_its_room_is() {
    let settings = [("ROOM_MAX_MESSAGES", "1"), ("MESSAGE_MAX_EDITS", "5")];
    for (server, _redis) in Server::on_each_store(&settings).await {
        let (mut ada, room) = (User::of(server.client()), server.client().create_room().await);
        let id = text(&ada.send(&room, "hello").await["id"]);
        for n in 0..5 {
            ada.edit(&room, &id, &format!("edited {n}")).await;
        }
        let answer = ada.try_change(&room, &id, Some("edited again")).await.expect("an answer");
        assert_eq!(error_code(&answer), "EDIT_LIMIT_REACHED");
        assert_eq!(server.client().texts(&room).await, [Some("edited 4".to_owned())]);
        ada.delete(&room, &id).await;
    }
}

#[tokio::test]
async fn the_legacy_routes_report_room_limits_in_their_envelope() {
    let room = LegacyRoom::on(Server::with(&[("ROOM_MAX_EVENTS", "5"), ("MESSAGE_MAX_EDITS", "1")])).await;
    let mut token = room.send_as(ALICE, "", "one").await;
    token = room.send_as(ALICE, &token, "two").await;
    token = expect_token(&room.edit(room.change_body(ALICE, &token, json!(0)), "one, edited").await);
    let often = room.edit(room.change_body(ALICE, &token, json!(0)), "one, edited again").await;
    assert_error(&often, 507, 507, "the message has been edited too often; it can still be deleted");
    let full = room.edit(room.change_body(ALICE, &token, json!(1)), "two, edited").await;
    assert_error(&full, 507, 507, "the room is full");
}

#[tokio::test]
async fn a_limit_of_messages_that_cannot_be_reached_is_logged_at_startup() {
    for (settings, is_logged) in [(&[][..], false), (&[("ROOM_MAX_MESSAGES", "150001")][..], true)] {
        let mut server = Server::with(settings);
        assert!(server.terminate().await.success());
        let log = server.log();
        assert_eq!(log.contains("ROOM_MAX_EVENTS is less than twice ROOM_MAX_MESSAGES"), is_logged, "{log}");
    }
}
