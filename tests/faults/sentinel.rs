//! A primary that is killed, frozen or replaced while people write and read, where sentinels name the next one: whatever
//! the new primary has been told of, every reader has once, and everything goes on there.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::ready_again;
use crate::support::client::{RoomKey, User, error_code};
use crate::support::eventually;
use crate::support::reader::assert_tell_the_room;
use crate::support::redis_server::RedisServer;
use crate::support::sentinels::{MASTER, PASSWORD, Sentinels};
use crate::support::server::{self, Server};
use crate::support::subscriber::{Said, Subscriber};

const THE_END: &str = "the end";
const PAUSE: Duration = Duration::from_millis(20);

/// A Redis with two replicas, three sentinels, and a server that knows nothing but the sentinels.
struct House {
    nodes: Vec<RedisServer>,
    sentinels: Sentinels,
    server: Server,
}

impl House {
    async fn start() -> Self {
        let nodes = vec![RedisServer::start().await, RedisServer::start().await, RedisServer::start().await];
        for replica in &nodes[1..] {
            replica.replicate(&nodes[0].address()).await;
        }
        let sentinels = Sentinels::over(&nodes[0], 2).await;
        let server = Server::with(&[
            ("REDIS_SENTINELS", &sentinels.addresses()),
            ("REDIS_SENTINEL_MASTER", MASTER),
            ("REDIS_SENTINEL_PASSWORD", PASSWORD),
        ]);
        Self { nodes, sentinels, server }
    }

    /// Waits until another Redis is the primary and the server serves on it.
    async fn moved(&self) {
        let (before, start) = (self.nodes[0].address(), Instant::now());
        eventually("there is another primary", async || self.sentinels.primary().await != before).await;
        println!("another primary after {:?}", start.elapsed());
        ready_again(&self.server).await;
        println!("ready on it {:?} after the fault", start.elapsed());
    }
}

/// Somebody who sends one message after the other until told to stop; what was acknowledged.
fn write(server: &Server, room: &RoomKey, stop: &CancellationToken) -> JoinHandle<Vec<String>> {
    let (client, room, stop) = (server.client(), room.clone(), stop.clone());
    tokio::spawn(async move {
        let (mut acknowledged, mut user) = (Vec::new(), User::with_own_token(client.clone()));
        for n in 0.. {
            if stop.is_cancelled() {
                break;
            }
            let words = format!("message {n}");
            while let Ok(answer) = user.try_send_once(&room, &words, Some(&words)).await {
                if answer.get("errors").is_none() {
                    acknowledged.push(words);
                    break;
                }
                // A failover that lost the last token has lost the user as they were.
                if error_code(&answer) != "UNAVAILABLE" {
                    user = User::with_own_token(client.clone());
                }
                tokio::time::sleep(PAUSE).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
        acknowledged
    })
}

/// A reader who loads the room anew when told that its cursor is none; what it had from the start in the end.
fn read(server: &Server, room: &RoomKey, start: &str) -> JoinHandle<(Vec<Value>, u32)> {
    let (address, room, start) = (server.address().to_owned(), room.clone(), start.to_owned());
    tokio::spawn(async move {
        let (mut events, mut cursor, mut anew) = (Vec::new(), start.clone(), 0);
        loop {
            let mut subscriber = Subscriber::open(&address, &room, Some(cursor.clone())).await;
            loop {
                match subscriber.next().await {
                    Said::Event(event) => {
                        cursor = event["cursor"].as_str().expect("a cursor").to_owned();
                        let is_last = event["message"]["text"] == THE_END;
                        events.push(event);
                        if is_last {
                            return (events, anew);
                        }
                    }
                    Said::Error(error) if error.to_string().contains("\"CURSOR_INVALID\"") => {
                        (events, cursor, anew) = (Vec::new(), start.clone(), anew + 1);
                        break;
                    }
                    Said::Error(error) => {
                        assert!(error.to_string().contains("\"UNAVAILABLE\""), "a reader was told {error}");
                        break;
                    }
                    Said::Closed(_) => break,
                    Said::Complete => panic!("a reader was told that the room is over"),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
}

/// What was acknowledged before the fault, and had reached the replicas, is there; of the rest, only what was
/// acknowledged by a primary that was replaced may be missing, so much at most.
async fn survives(house: &mut House, fault: impl AsyncFnOnce(&mut House), may_be_missing: usize) {
    let client = house.server.client();
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let readers: Vec<_> = (0..3).map(|_| read(&house.server, &room, &start)).collect();
    let mut early = User::of(client.clone());
    for n in 0..10 {
        early.send(&room, &format!("early {n}")).await;
    }
    let mut wait = redis::cmd("WAIT");
    let copies: u32 =
        wait.arg(2).arg(10_000).query_async(&mut house.nodes[0].connection().await).await.expect("copies");
    assert_eq!(copies, 2);
    let stop = CancellationToken::new();
    let writers: Vec<_> = (0..2).map(|_| write(&house.server, &room, &stop)).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    fault(house).await;
    house.moved().await;
    // Whatever is still written to the old primary is lost; here nobody does any more.
    tokio::time::sleep(Duration::from_secs(3)).await;
    stop.cancel();
    let mut acknowledged = 0;
    for writer in writers {
        acknowledged += writer.await.expect("a writer").len();
    }
    User::of(client.clone()).send(&room, THE_END).await;

    let texts = client.texts(&room).await;
    for (n, text) in texts.iter().take(10).enumerate() {
        assert_eq!(text.as_deref(), Some(&*format!("early {n}")));
    }
    let lost = acknowledged.saturating_sub(texts.len() - 11);
    println!("{acknowledged} acknowledged, {lost} of them lost by the failover");
    assert!(lost <= may_be_missing, "{lost} of {acknowledged} are missing");
    for reader in readers {
        let (events, anew) = reader.await.expect("a reader");
        println!("a reader had {} events and began anew {anew} times", events.len());
        let cursors: HashSet<_> = events.iter().map(|event| event["cursor"].to_string()).collect();
        assert_eq!(cursors.len(), events.len(), "an event came twice");
        assert_tell_the_room(&events, &texts, 0);
    }
    assert!(!house.server.log().contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_killed_is_followed_by_the_one_that_sentinels_name() {
    let mut house = House::start().await;
    survives(&mut house, async |house| house.nodes[0].kill(), 20).await;
    // It comes back as it was, and is made a replica; nobody goes there.
    house.nodes[0].restart().await;
    house.sentinels.kill_one();
    User::of(house.server.client()).send(&house.server.client().create_room().await, "goes on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_frozen_is_left_for_the_one_that_sentinels_name() {
    let mut house = House::start().await;
    survives(&mut house, async |house| house.nodes[0].signal("STOP"), 20).await;
    house.nodes[0].signal("CONT");
    let client = house.server.client();
    let room = client.create_room().await;
    for n in 0..20 {
        User::of(client.clone()).send(&room, &n.to_string()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planned_failover_under_load_is_followed_within_seconds() {
    let mut house = House::start().await;
    // The old primary takes writes until the server hears of the new one.
    survives(&mut house, async |house| house.sentinels.fail_over().await, 500).await;
}

#[tokio::test]
async fn a_demoted_primary_that_keeps_its_connections_is_noticed_by_readers() {
    let redis = RedisServer::start().await;
    let server = Server::on_redis(&redis.url());
    let client = server.client();
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let mut reader = Subscriber::open(server.address(), &room, Some(start)).await;
    User::of(client.clone()).send(&room, "before").await;
    reader.event().await;
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]).await;
    eventually("the server notices", async || server.log().contains("this Redis is a replica")).await;
    redis.command(&["REPLICAOF", "NO", "ONE"]).await;
    eventually("readers read again", async || server.log().contains("readers resync")).await;
    ready_again(&server).await;
    User::of(client).send(&room, "after").await;
    assert_eq!(reader.event().await["message"]["text"], "after");
}

#[tokio::test]
async fn sentinels_that_know_no_such_primary_or_want_a_password_are_told_of_at_start() {
    let redis = RedisServer::start().await;
    let sentinels = Sentinels::over(&redis, 0).await;
    let addresses = sentinels.addresses();
    let start = |master: &str, password: &str| {
        server::failure(&[
            ("REDIS_SENTINELS", &addresses),
            ("REDIS_SENTINEL_MASTER", master),
            ("REDIS_SENTINEL_PASSWORD", password),
            ("REDIS_WAIT", "0"),
        ])
    };
    let said = start("nobody", PASSWORD);
    assert!(said.contains("REDIS_SENTINEL_MASTER") && said.contains("nobody"), "{said}");
    let said = start(MASTER, "open-barley");
    assert!(said.contains("REDIS_SENTINEL_PASSWORD") && !said.contains("barley"), "{said}");
}
