//! Readers who resume at the same place, as after a restart of the server, share what one of them has read of the log. Each sees the
//! messages as they are.

use serde_json::{Value, json};

use crate::support::client::{User, text};
use crate::support::owner::{OwnedRoom, react};
use crate::support::scrape::Scrape;
use crate::support::server::Server;
use crate::support::subscriber::Subscriber;

/// How often the server has read the log of a room.
async fn log_reads(server: &Server) -> f64 {
    Scrape::of(server).await.value("livechat_store_call_duration_seconds_count", &[("call", "read_log")])
}

/// The messages of the first two events of a room, for a reader who resumes before them.
async fn resume(server: &Server, room: &OwnedRoom) -> [Value; 2] {
    let mut reader = Subscriber::of_room_events(server.address(), &room.key, Some(room.start.clone())).await;
    let mut message = async || {
        let event = reader.event().await;
        assert_eq!(event["__typename"], "MessageSent");
        event["message"].clone()
    };
    [message().await, message().await]
}

#[tokio::test]
async fn readers_who_resume_together_read_the_log_once() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, User::of(server.client()));
        ada.send(&room.key, "first").await;
        ada.send(&room.key, "second").await;
        let mut live = Subscriber::of_room_events(server.address(), &room.key, None).await;
        server.client().wait_for_viewers(&room.key, 1).await;
        let first = resume(&server, &room).await;
        let reads = log_reads(&server).await;
        for _ in 0..5 {
            assert_eq!(resume(&server, &room).await, first);
        }
        assert_eq!(log_reads(&server).await, reads);
        ada.send(&room.key, "third").await;
        assert_eq!(live.event().await["message"]["text"], "third");
        resume(&server, &room).await;
        assert!(log_reads(&server).await > reads, "the room has changed");
    }
}

#[tokio::test]
async fn readers_who_resume_at_the_same_place_see_each_message_as_it_is_now() {
    for (server, _redis) in Server::on_each_store(&[]).await {
        let (room, mut ada) = (OwnedRoom::create(&server.client()).await, User::with_own_token(server.client()));
        let mut bob = User::with_own_token(server.client());
        let first = text(&ada.send(&room.key, "first").await["id"]);
        let second = text(&bob.send(&room.key, "second").await["id"]);
        let _live = Subscriber::of_room_events(server.address(), &room.key, None).await;
        server.client().wait_for_viewers(&room.key, 1).await;
        let texts = |messages: &[Value; 2]| messages.each_ref().map(|message| message["text"].clone());
        for _ in 0..2 {
            assert_eq!(texts(&resume(&server, &room).await), ["first", "second"]);
        }
        ada.edit(&room.key, &first, "edited").await;
        for _ in 0..2 {
            assert_eq!(texts(&resume(&server, &room).await), ["edited", "second"]);
        }
        // Only the first reaction of a second has an entry in the log.
        for (user, count) in [(&mut ada, 1), (&mut bob, 2)] {
            react(user, &room.key, &first, "👍", true).await;
            for _ in 0..2 {
                let [first, _] = resume(&server, &room).await;
                assert_eq!(first["reactions"], json!([{ "emoji": "👍", "count": count }]));
            }
        }
        bob.delete(&room.key, &second).await;
        for _ in 0..2 {
            assert_eq!(texts(&resume(&server, &room).await), [json!("edited"), Value::Null]);
        }
    }
}
