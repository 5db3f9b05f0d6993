//! Reactions and replies.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::client::{RoomKey, SEND, User, error_code, text};
use crate::support::owner::{OwnedRoom, react, try_join, try_react};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

/// The reactions to a message of a room, and those of a user.
async fn read_reactions(room: &OwnedRoom, message: &str, user: &str) -> (Value, Value) {
    let fields =
        format!("message(id: \"{message}\") {{ reactions {{ emoji count }} reactionsBy(userId: \"{user}\") }}");
    let read = room.client.query_room(&room.key, &fields).await["message"].clone();
    (read["reactions"].clone(), read["reactionsBy"].clone())
}

#[tokio::test]
async fn a_reaction_counts_once_for_each_user_and_emoji_and_can_be_taken_back() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, User::with_own_token(server.client()));
        let message = text(&ada.send(&room.key, "hello").await["id"]);
        let mut bob = User::with_own_token(server.client());
        assert!(try_join(&mut bob, &room.key).await.get("errors").is_none());
        for _ in 0..2 {
            assert_eq!(react(&mut ada, &room.key, &message, "👍", true).await, json!([{ "emoji": "👍", "count": 1 }]));
        }
        // The short form is the same emoji.
        react(&mut ada, &room.key, &message, "❤", true).await;
        let both = react(&mut bob, &room.key, &message, "❤️", true).await;
        assert_eq!(both, json!([{ "emoji": "❤️", "count": 2 }, { "emoji": "👍", "count": 1 }]));
        let (counts, of_bob) = read_reactions(&room, &message, bob.id.as_ref().expect("an id")).await;
        assert_eq!((counts, of_bob), (both, json!(["❤️"])));
        for _ in 0..2 {
            let left = react(&mut ada, &room.key, &message, "❤️", false).await;
            assert_eq!(left, json!([{ "emoji": "❤️", "count": 1 }, { "emoji": "👍", "count": 1 }]));
        }
        for nobody in ["nobody-0123456", "", "short"] {
            assert_eq!(read_reactions(&room, &message, nobody).await.1, json!([]));
        }
        ada.delete(&room.key, &message).await;
        assert_eq!(read_reactions(&room, &message, bob.id.as_ref().expect("an id")).await, (json!([]), json!([])));
        assert_eq!(error_code(&try_react(&mut bob, &room.key, &message, "👍", true).await), "MESSAGE_NOT_FOUND");
    }
}

#[tokio::test]
async fn only_known_users_react_with_one_emoji_to_a_message_of_the_room() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, other) = (OwnedRoom::create(&server.client()).await, OwnedRoom::create(&server.client()).await);
        let mut ada = User::with_own_token(server.client());
        let message = text(&ada.send(&room.key, "hello").await["id"]);
        for emoji in ["", "a", ":)", "👍👍", "👍 ", "thumbsup", "\u{200d}", &"👍".repeat(9)] {
            let response = try_react(&mut ada, &room.key, &message, emoji, true).await;
            assert_eq!(error_code(&response), "VALIDATION_FAILED", "{emoji:?}");
            assert_eq!(response["errors"][0]["extensions"]["field"], "emoji");
        }
        for id in [format!("{}-99", room.key.id), format!("{}-0", other.key.id)] {
            assert_eq!(error_code(&try_react(&mut ada, &room.key, &id, "👍", true).await), "MESSAGE_NOT_FOUND");
        }
        let mut stranger = User::with_own_token(server.client());
        assert_eq!(error_code(&try_react(&mut stranger, &room.key, &message, "👍", true).await), "TOKEN_INVALID");
        let wrong = RoomKey { code: "wrong".to_owned(), ..room.key.clone() };
        assert_eq!(error_code(&try_react(&mut ada, &wrong, &message, "👍", true).await), "ROOM_CODE_INVALID");
        assert_eq!(read_reactions(&room, &message, "nobody-0123456").await.0, json!([]));
    }
}

/// Twenty-one different emoji.
const EMOJI: [&str; 21] = [
    "😀", "😁", "😂", "🤣", "😃", "😄", "😅", "😆", "😉", "😊", "😋", "😎", "😍", "😘", "🥰", "😗", "😙", "🙂", "🤗",
    "🤩", "🤔",
];

#[tokio::test]
async fn a_message_has_at_most_twenty_kinds_of_reactions_and_toggling_is_limited() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, User::with_own_token(server.client()));
        let first = text(&ada.send(&room.key, "hello").await["id"]);
        let second = text(&ada.send(&room.key, "hello again").await["id"]);
        let mut bob = User::with_own_token(server.client());
        bob.send(&room.key, "hi").await;
        for emoji in &EMOJI[..20] {
            react(&mut ada, &room.key, &first, emoji, true).await;
        }
        assert_eq!(error_code(&try_react(&mut bob, &room.key, &first, EMOJI[20], true).await), "ROOM_FULL");
        react(&mut bob, &room.key, &first, EMOJI[0], true).await;
        let (counts, _) = read_reactions(&room, &first, "nobody-0123456").await;
        assert_eq!(counts.as_array().map(Vec::len), Some(20));
        assert_eq!(counts[0], json!({ "emoji": EMOJI[0], "count": 2 }), "the most frequent comes first");
        let mut refused = None;
        for n in 0..50 {
            let response = try_react(&mut ada, &room.key, &second, "👍", n % 2 == 0).await;
            if response.get("errors").is_some() {
                refused = Some(error_code(&response));
                break;
            }
        }
        assert_eq!(refused.as_deref(), Some("EDIT_LIMIT_REACHED"));
    }
}

#[tokio::test]
async fn reactions_at_once_are_gathered_over_two_servers_and_the_final_count_is_never_lost() {
    let redis = RedisServer::start().await;
    let servers = [Server::on_redis(&redis.url()), Server::on_redis(&redis.url())];
    let embedded = [Server::embedded()];
    for servers in [&servers[..], &embedded] {
        let room = OwnedRoom::create(&servers[0].client()).await;
        let message = text(&User::of(servers[0].client()).send(&room.key, "hello").await["id"]);
        let mut readers = Vec::new();
        for server in servers {
            readers.push(Subscriber::of_room_events(server.address(), &room.key, Some(room.start.clone())).await);
        }
        join_all((0..40).map(|n| {
            let (room, message, client) = (&room, &message, servers[n % servers.len()].client());
            async move {
                let mut user = User::with_own_token(client);
                try_join(&mut user, &room.key).await;
                react(&mut user, &room.key, message, "🎉", true).await;
            }
        }))
        .await;
        let expected = json!([{ "emoji": "🎉", "count": 40 }]);
        assert_eq!(read_reactions(&room, &message, "nobody-0123456").await.0, expected);
        for reader in &mut readers {
            let mut times = Vec::new();
            loop {
                let event = reader.event().await;
                if event["__typename"] != "ReactionsChanged" {
                    continue;
                }
                let at: jiff::Timestamp = text(&event["at"]).parse().expect("a time");
                times.push(at);
                if event["message"]["reactions"] == expected {
                    break;
                }
            }
            for pair in times.windows(2) {
                assert!(pair[1].duration_since(pair[0]).as_millis() >= 1_000, "{times:?}");
            }
        }
    }
}

/// Answers a message. Returns the whole response.
async fn reply(user: &mut User, room: &RoomKey, to: &str) -> Value {
    let input = json!({ "roomId": room.id, "roomCode": room.code, "userId": user.id, "token": user.token,
        "text": "a reply", "replyToId": to });
    let query = SEND.replace("message { id", "message { replyToId id");
    let response = user.client.request(&query, json!({ "input": input })).await;
    if let Some(token) = response["data"]["sendMessage"]["token"].as_str() {
        user.token = Some(token.to_owned());
    }
    response
}

#[tokio::test]
async fn a_reply_names_a_message_of_its_room_and_outlives_it() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, other) = (OwnedRoom::create(&server.client()).await, OwnedRoom::create(&server.client()).await);
        let mut ada = User::with_own_token(server.client());
        let target = text(&ada.send(&room.key, "a question").await["id"]);
        let foreign = text(&ada.send(&other.key, "elsewhere").await["id"]);
        // Twice: on the schema's path and on the fast one.
        for _ in 0..2 {
            let replied = reply(&mut ada, &room.key, &target).await;
            assert_eq!(replied["data"]["sendMessage"]["message"]["replyToId"], json!(target), "{replied}");
        }
        for missing in [foreign.as_str(), &format!("{}-99", room.key.id), &format!("{}-3", room.key.id)] {
            assert_eq!(error_code(&reply(&mut ada, &room.key, missing).await), "MESSAGE_NOT_FOUND", "{missing}");
        }
        assert_eq!(error_code(&reply(&mut ada, &room.key, "nonsense").await), "VALIDATION_FAILED");
        ada.delete(&room.key, &target).await;
        reply(&mut ada, &room.key, &target).await;
        let nodes = "messages { nodes { text replyToId } }";
        let page = room.client.query_room(&room.key, nodes).await["messages"]["nodes"].clone();
        let expected = json!({ "text": "a reply", "replyToId": target });
        assert_eq!(page, json!([{ "text": null, "replyToId": null }, expected, expected, expected]));
        let found =
            room.client.query_room(&room.key, &format!("message(id: \"{target}\") {{ index text deletedBy }}")).await;
        assert_eq!(found["message"], json!({ "index": 0, "text": null, "deletedBy": "MEMBER" }));
        for absent in [foreign.as_str(), &format!("{}-99", room.key.id)] {
            let found = room.client.query_room(&room.key, &format!("message(id: \"{absent}\") {{ index }}")).await;
            assert_eq!(found["message"], Value::Null);
        }
    }
}
