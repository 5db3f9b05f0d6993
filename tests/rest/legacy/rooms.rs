//! Making, reading and listing rooms.

use std::time::Duration;

use serde_json::json;

use super::caller::{self, ALICE, BOB, Caller, NO_SUCH_ROOM, WRONG_CODE, assert_refused};
use super::replay::is_date;
use crate::support::server::Server;

#[tokio::test]
async fn a_room_shows_its_messages_and_its_distinct_chatters() {
    let caller = Caller::new().await;
    let token = caller.say(ALICE, "", "one").await;
    caller.say(BOB, "", "two").await;
    caller.say(ALICE, &token, "three").await;
    let record = caller.record().await;
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
async fn the_keys_of_a_message_keep_their_order() {
    let caller = Caller::new().await;
    let token = caller.say(ALICE, "", "one").await;
    caller.edit(caller.changing(ALICE, &token, json!(0)), "uno").await;
    let answer = caller.client.post("/v1/room/", &caller.body(&[])).await;
    let keys = ["{\"display_name\":", "\"user_id\":", "\"created_at\":", "\"message\":\"uno\"", "\"deleted\":false"];
    let places: Vec<_> = keys.into_iter().chain(["\"updated_at\":"]).map(|key| answer.body.rfind(key)).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{}", answer.body);
    assert!(is_date(answer.json()["data"]["messages"][0]["updated_at"].as_str().expect("a date")));
}

#[tokio::test]
async fn a_room_lists_all_of_its_messages_and_chatters_however_many() {
    let caller = Caller::new().await;
    let mut token = String::new();
    for number in 0..1_050 {
        token = caller.say(ALICE, &token, &number.to_string()).await;
    }
    for number in 0..120 {
        caller.say(&format!("newcomer-{number:03}"), "", "hello").await;
    }
    let record = caller.record().await;
    let messages = record["messages"].as_array().expect("a list");
    assert_eq!(messages.len(), 1_170);
    assert!((0..1_050).all(|number| messages[number]["message"] == *number.to_string()));
    assert_eq!(record["chatters_amount"], 121);
    assert_eq!(record["chatters"].as_array().expect("a list").len(), 121);
}

#[tokio::test]
async fn a_wrong_code_opens_nothing() {
    let caller = Caller::new().await;
    let mut body = caller.saying(ALICE, "", "hi");
    body["token"] = json!("none");
    body["message_id"] = json!(0);
    body["room_code"] = json!("12345");
    for path in ["/room", "/room/message/send", "/room/message/edit", "/room/message/delete"] {
        assert_refused(&caller.client.post(path, &body).await, 403, 403, WRONG_CODE);
    }
}

#[tokio::test]
async fn a_room_that_is_not_there_is_named_in_the_answer() {
    let caller = Caller::new().await;
    let absent = format!("room:*{}", "0".repeat(32));
    for room in [absent.as_str(), "", "nope", "room:*", "room:*xyz", "None"] {
        let mut body = caller.saying("short", "", "hi");
        body["token"] = json!("none");
        body["message_id"] = json!(0);
        body["room_id"] = json!(room);
        for path in ["/room", "/room/message/send", "/room/message/edit", "/room/message/delete"] {
            let answer = caller.client.post(path, &body).await;
            let expected = json!({ "status_code": 404, "message": NO_SUCH_ROOM, "data": null, "room": room });
            assert_eq!((answer.status, answer.json()), (404, expected), "{path} {room}");
            assert!(answer.body.ends_with(&format!(r#","data":null,"room":"{room}"}}"#)));
        }
    }
}

#[tokio::test]
async fn the_list_of_rooms_counts_the_chatters_of_each() {
    let caller = Caller::new().await;
    let (quiet, _) = caller::create(&caller.client).await;
    caller.say(ALICE, "", "hi").await;
    caller.say(BOB, "", "hi").await;
    let answer = caller.client.get("/v1/rooms_views/").await;
    assert!(answer.body.starts_with(r#"{"status_code":200,"message":"sucessful","data":{"#), "{}", answer.body);
    assert_eq!((answer.status, &answer.json()["data"]), (200, &json!({ quiet: 0, caller.room: 2 })));
}

#[tokio::test]
async fn the_list_of_rooms_is_whole_however_long() {
    let caller = Caller::new().await;
    for _ in 0..1_010 {
        caller::create(&caller.client).await;
    }
    let rooms = caller.client.get("/v1/rooms_views/").await.json();
    assert_eq!(rooms["data"].as_object().expect("rooms").len(), 1_011);
}

#[tokio::test]
async fn a_room_that_has_ended_is_not_there_for_anybody() {
    let caller = Caller::at(Server::with(&[("ROOM_TTL", "2s")])).await;
    caller.say(ALICE, "", "hi").await;
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(caller.client.post("/v1/room/", &caller.body(&[])).await.status, 404);
    assert_eq!(caller.client.get("/v1/rooms_views/").await.json()["data"], json!({}));
}
