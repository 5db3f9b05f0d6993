//! Creating, reading and listing rooms.

use serde_json::json;

use super::legacy_room::{self, ALICE, BOB, LegacyRoom, NO_SUCH_ROOM, WRONG_CODE, assert_error};
use super::replay::is_date;
use crate::support::eventually;
use crate::support::server::Server;

#[tokio::test]
async fn room_lists_its_messages_and_distinct_chatters() {
    let room = LegacyRoom::new().await;
    let token = room.send_as(ALICE, "", "one").await;
    room.send_as(BOB, "", "two").await;
    room.send_as(ALICE, &token, "three").await;
    let record = room.record().await;
    assert_eq!(record["chatters_amount"], 2);
    assert_eq!(record["chatters"], json!([ALICE, BOB]));
    let messages = record["messages"].as_array().expect("a list");
    let texts: Vec<_> = messages.iter().map(|message| &message["message"]).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    assert_eq!(messages[1]["user_id"], BOB);
    assert_eq!(messages[1]["deleted"], false);
    assert!(is_date(messages[1]["created_at"].as_str().expect("a date")));
    assert!(messages[1].get("updated_at").is_none() && messages[1].get("id").is_none());
}

#[tokio::test]
async fn keys_of_a_message_have_the_order_of_the_original() {
    let room = LegacyRoom::new().await;
    let token = room.send_as(ALICE, "", "one").await;
    room.edit(room.change_body(ALICE, &token, json!(0)), "uno").await;
    let answer = room.client.post("/v1/room/", &room.body(&[])).await;
    let keys = ["{\"display_name\":", "\"user_id\":", "\"created_at\":", "\"message\":\"uno\"", "\"deleted\":false"];
    let offsets: Vec<_> = keys.into_iter().chain(["\"updated_at\":"]).map(|key| answer.body.rfind(key)).collect();
    assert!(offsets.is_sorted() && offsets[0].is_some(), "{}", answer.body);
    assert!(is_date(answer.json()["data"]["messages"][0]["updated_at"].as_str().expect("a date")));
}

#[tokio::test]
async fn large_room_lists_all_its_messages_and_chatters() {
    let room = LegacyRoom::new().await;
    let mut token = String::new();
    for number in 0..1_050 {
        token = room.send_as(ALICE, &token, &number.to_string()).await;
    }
    for number in 0..120 {
        room.send_as(&format!("newcomer-{number:03}"), "", "hello").await;
    }
    let record = room.record().await;
    let messages = record["messages"].as_array().expect("a list");
    assert_eq!(messages.len(), 1_170);
    assert!((0..1_050).all(|number| messages[number]["message"] == *number.to_string()));
    assert_eq!(record["chatters_amount"], 121);
    assert_eq!(record["chatters"].as_array().expect("a list").len(), 121);
}

#[tokio::test]
async fn wrong_code_is_rejected_by_every_route() {
    let room = LegacyRoom::new().await;
    let mut body = room.send_body(ALICE, "", "hi");
    body["token"] = json!("none");
    body["message_id"] = json!(0);
    body["room_code"] = json!("12345");
    for path in ["/room", "/room/message/send", "/room/message/edit", "/room/message/delete"] {
        assert_error(&room.client.post(path, &body).await, 403, 403, WRONG_CODE);
    }
}

#[tokio::test]
async fn missing_room_is_named_in_the_response() {
    let room = LegacyRoom::new().await;
    let absent = format!("room:*{}", "0".repeat(32));
    for id in [absent.as_str(), "", "nope", "room:*", "room:*xyz", "None"] {
        let mut body = room.send_body("short", "", "hi");
        body["token"] = json!("none");
        body["message_id"] = json!(0);
        body["room_id"] = json!(id);
        for path in ["/room", "/room/message/send", "/room/message/edit", "/room/message/delete"] {
            let answer = room.client.post(path, &body).await;
            let expected = json!({ "status_code": 404, "message": NO_SUCH_ROOM, "data": null, "room": id });
            assert_eq!((answer.status, answer.json()), (404, expected), "{path} {id}");
            assert!(answer.body.ends_with(&format!(r#","data":null,"room":"{id}"}}"#)));
        }
    }
}

#[tokio::test]
async fn list_of_rooms_has_the_number_of_chatters_of_each() {
    let room = LegacyRoom::new().await;
    let (quiet, _) = legacy_room::create_room(&room.client).await;
    room.send_as(ALICE, "", "hi").await;
    room.send_as(BOB, "", "hi").await;
    let answer = room.client.get("/v1/rooms_views/").await;
    assert!(answer.body.starts_with(r#"{"status_code":200,"message":"sucessful","data":{"#), "{}", answer.body);
    assert_eq!((answer.status, &answer.json()["data"]), (200, &json!({ quiet: 0, room.id: 2 })));
}

#[tokio::test]
async fn long_list_of_rooms_is_complete() {
    let room = LegacyRoom::new().await;
    for _ in 0..1_010 {
        legacy_room::create_room(&room.client).await;
    }
    let rooms = room.client.get("/v1/rooms_views/").await.json();
    assert_eq!(rooms["data"].as_object().expect("rooms").len(), 1_011);
}

#[tokio::test]
async fn room_that_has_ended_is_gone() {
    let room = LegacyRoom::on(Server::with(&[("ROOM_TTL", "4s")])).await;
    room.send_as(ALICE, "", "hi").await;
    eventually("the room is gone", async || room.client.post("/v1/room/", &room.body(&[])).await.status == 404).await;
    assert_eq!(room.client.get("/v1/rooms_views/").await.json()["data"], json!({}));
}
