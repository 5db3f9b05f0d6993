//! A primary under Sentinel that is killed, frozen or replaced under load: every reader receives each event of the new primary once,
//! and service continues there.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::wait_until_ready;
use crate::support::client::{RoomKey, User, error_code};
use crate::support::cuts::THE_END;
use crate::support::eventually;
use crate::support::redis_server::RedisServer;
use crate::support::room_view::assert_events_match;
use crate::support::sentinels::{MASTER, PASSWORD, Sentinels};
use crate::support::server::{self, Server};
use crate::support::subscriber::{Received, Subscriber};

const PAUSE: Duration = Duration::from_millis(20);

/// A Redis with two replicas, three sentinels, and a server that is configured with the sentinels only.
struct Fixture {
    nodes: Vec<RedisServer>,
    sentinels: Sentinels,
    server: Server,
}

impl Fixture {
    async fn start() -> Self {
        let nodes = vec![RedisServer::start().await, RedisServer::start().await, RedisServer::start().await];
        for replica in &nodes[1..] {
            replica.replicate(&nodes[0].address()).await;
        }
        let sentinels = Sentinels::monitoring(&nodes[0], 2).await;
        let server = Server::with(&[
            ("REDIS_SENTINELS", &sentinels.addresses()),
            ("REDIS_SENTINEL_MASTER", MASTER),
            ("REDIS_SENTINEL_PASSWORD", PASSWORD),
        ]);
        Self { nodes, sentinels, server }
    }

    /// Waits until the replicas have everything that the primary had at the time of the call. Returns that time: only later writes
    /// can be lost with the primary.
    async fn wait_for_replicas(&self) -> Instant {
        let (now, mut primary) = (Instant::now(), self.nodes[0].connection().await);
        // WAIT waits for the writes before the last one of its own connection.
        let (mut write, mut wait) = (redis::cmd("SET"), redis::cmd("WAIT"));
        write.arg("a write of the test").arg("").exec_async(&mut primary).await.expect("a write");
        let copies: u32 = wait.arg(2).arg(20_000).query_async(&mut primary).await.expect("copies");
        assert_eq!(copies, 2);
        now
    }

    /// Waits until another Redis is the primary and the server is ready again.
    async fn wait_for_failover(&self) {
        let (before, start) = (self.nodes[0].address(), Instant::now());
        eventually("another Redis is the primary", async || self.sentinels.primary().await != before).await;
        println!("another primary after {:?}", start.elapsed());
        wait_until_ready(&self.server).await;
        println!("ready {:?} after the fault", start.elapsed());
    }
}

/// Two users who send in the background.
struct Writers {
    stop: CancellationToken,
    /// The number of acknowledged messages.
    count: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<Vec<(String, Instant)>>>,
}

impl Writers {
    fn start(server: &Server, room: &RoomKey) -> Self {
        let (stop, count) = (CancellationToken::new(), Arc::default());
        let tasks = (0..2).map(|writer| spawn_writer(writer, server, room, &stop, &count)).collect();
        Self { stop, count, tasks }
    }

    /// Waits until `more` further messages are acknowledged.
    async fn wait_for_acknowledged(&self, more: usize) {
        let enough = self.count.load(Ordering::Relaxed) + more;
        eventually("enough messages are acknowledged", async || self.count.load(Ordering::Relaxed) >= enough).await;
    }

    /// Stops the users. Returns the acknowledged texts, and when each was acknowledged.
    async fn stop(self) -> Vec<(String, Instant)> {
        self.stop.cancel();
        let mut acknowledged = Vec::new();
        for task in self.tasks {
            acknowledged.extend(task.await.expect("a writer"));
        }
        acknowledged
    }
}

/// Sends one message after the other until `stop`. Returns the acknowledged texts, and when each was acknowledged.
fn spawn_writer(
    writer: usize,
    server: &Server,
    room: &RoomKey,
    stop: &CancellationToken,
    count: &Arc<AtomicUsize>,
) -> JoinHandle<Vec<(String, Instant)>> {
    let (client, room, stop, count) = (server.client(), room.clone(), stop.clone(), count.clone());
    tokio::spawn(async move {
        let (mut acknowledged, mut user) = (Vec::new(), User::with_own_token(client.clone()));
        for n in 0.. {
            if stop.is_cancelled() {
                break;
            }
            let text = format!("message {n} of {writer}");
            while let Ok(response) = user.try_send_once(&room, &text, Some(&text)).await {
                if response.get("errors").is_none() {
                    acknowledged.push((text, Instant::now()));
                    count.fetch_add(1, Ordering::Relaxed);
                    break;
                }
                // A failover may have lost the user's last token.
                if error_code(&response) != "UNAVAILABLE" {
                    user = User::with_own_token(client.clone());
                }
                tokio::time::sleep(PAUSE).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
        acknowledged
    })
}

/// Reads events, from the start again when the cursor becomes invalid. Returns the events since the last start, and the number of
/// restarts.
fn spawn_reader(server: &Server, room: &RoomKey, start: &str) -> JoinHandle<(Vec<Value>, u32)> {
    let (address, room, start) = (server.address().to_owned(), room.clone(), start.to_owned());
    tokio::spawn(async move {
        let (mut events, mut cursor, mut restarts) = (Vec::new(), start.clone(), 0);
        loop {
            let mut subscriber = Subscriber::open(&address, &room, Some(cursor.clone())).await;
            loop {
                match subscriber.next().await {
                    Received::Event(event) => {
                        cursor = event["cursor"].as_str().expect("a cursor").to_owned();
                        let is_last = event["message"]["text"] == THE_END;
                        events.push(event);
                        if is_last {
                            return (events, restarts);
                        }
                    }
                    Received::Error(error) if error.to_string().contains("\"CURSOR_INVALID\"") => {
                        (events, cursor, restarts) = (Vec::new(), start.clone(), restarts + 1);
                        break;
                    }
                    Received::Error(error) => {
                        assert!(error.to_string().contains("\"UNAVAILABLE\""), "a reader got {error}");
                        break;
                    }
                    Received::Closed(_) => break,
                    Received::Complete => panic!("a reader got the end of the room"),
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    })
}

/// Asserts that messages which had reached the replicas before the fault are kept, and those after the failover. Only others may be
/// lost: those that the replaced primary acknowledged. After `fault`, it must accept no more writes.
async fn assert_survives(fixture: &mut Fixture, fault: impl AsyncFnOnce(&mut Fixture)) {
    let client = fixture.server.client();
    let room = client.create_room().await;
    let start = client.cursor(&room).await;
    let readers: Vec<_> = (0..3).map(|_| spawn_reader(&fixture.server, &room, &start)).collect();
    let mut early = User::of(client.clone());
    for n in 0..10 {
        early.send(&room, &format!("early {n}")).await;
    }
    let writers = Writers::start(&fixture.server, &room);
    writers.wait_for_acknowledged(20).await;
    let replicated = fixture.wait_for_replicas().await;
    fault(fixture).await;
    fixture.wait_for_failover().await;
    let failed_over = Instant::now();
    writers.wait_for_acknowledged(40).await;
    let acknowledged = writers.stop().await;
    User::of(client.clone()).send(&room, THE_END).await;

    let texts = client.texts(&room).await;
    for (n, text) in texts.iter().take(10).enumerate() {
        assert_eq!(text.as_deref(), Some(&*format!("early {n}")));
    }
    let stored: HashSet<_> = texts.iter().flatten().collect();
    let lost: Vec<_> = acknowledged.iter().filter(|(text, _)| !stored.contains(text)).collect();
    println!("{} acknowledged, {} of them lost by the failover", acknowledged.len(), lost.len());
    for (text, at) in lost {
        assert!((replicated..failed_over).contains(at), "{text} is missing, which no failover could lose");
    }
    for reader in readers {
        let (events, restarts) = reader.await.expect("a reader");
        println!("a reader had {} events and restarted {restarts} times", events.len());
        let cursors: HashSet<_> = events.iter().map(|event| event["cursor"].to_string()).collect();
        assert_eq!(cursors.len(), events.len(), "an event came twice");
        assert_events_match(&events, &texts, 0);
    }
    assert!(!fixture.server.log().contains(PASSWORD));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_primary_is_replaced_by_the_one_that_sentinels_name() {
    let mut fixture = Fixture::start().await;
    assert_survives(&mut fixture, async |fixture| fixture.nodes[0].kill()).await;
    // The old primary returns and becomes a replica; the server does not use it.
    fixture.nodes[0].restart().await;
    fixture.sentinels.kill_one();
    User::of(fixture.server.client()).send(&fixture.server.client().create_room().await, "still accepted").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_primary_is_replaced_by_the_one_that_sentinels_name() {
    let mut fixture = Fixture::start().await;
    assert_survives(&mut fixture, async |fixture| fixture.nodes[0].signal("STOP")).await;
    fixture.nodes[0].signal("CONT");
    let client = fixture.server.client();
    let room = client.create_room().await;
    for n in 0..20 {
        User::of(client.clone()).send(&room, &n.to_string()).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_failover_under_load_is_followed_within_seconds() {
    let mut fixture = Fixture::start().await;
    // The old primary takes writes until the server learns of the new one.
    let demote = async |fixture: &mut Fixture| {
        fixture.sentinels.fail_over().await;
        eventually("the old primary is a replica", async || {
            fixture.nodes[0].query::<String>(&["INFO", "replication"]).await.contains("role:slave")
        })
        .await;
    };
    assert_survives(&mut fixture, demote).await;
}

#[tokio::test]
async fn demoted_primary_that_keeps_its_connections_is_noticed() {
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
    eventually("subscribers resync", async || server.log().contains("subscribers resync")).await;
    wait_until_ready(&server).await;
    User::of(client).send(&room, "after").await;
    assert_eq!(reader.event().await["message"]["text"], "after");
}

#[tokio::test]
async fn unknown_primary_and_wrong_sentinel_password_are_reported_at_start() {
    let redis = RedisServer::start().await;
    let sentinels = Sentinels::monitoring(&redis, 0).await;
    let addresses = sentinels.addresses();
    let start_error = |master: &str, password: &str| {
        server::failure(&[
            ("REDIS_SENTINELS", &addresses),
            ("REDIS_SENTINEL_MASTER", master),
            ("REDIS_SENTINEL_PASSWORD", password),
            ("REDIS_WAIT", "0"),
        ])
    };
    let error = start_error("nobody", PASSWORD);
    assert!(error.contains("REDIS_SENTINEL_MASTER") && error.contains("nobody"), "{error}");
    let error = start_error(MASTER, "open-barley");
    assert!(error.contains("REDIS_SENTINEL_PASSWORD") && !error.contains("barley"), "{error}");
}
