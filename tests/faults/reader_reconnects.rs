//! Readers whose connections are cut all the time, over every transport. `bench/cuts.rs` does the same ten thousand times.

use std::time::Duration;

use crate::support::cuts::{Faults, Trial};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

/// Every kind of event that the log has.
const LOGGED_KINDS: [&str; 7] =
    ["MessageDeleted", "MessageEdited", "MessageSent", "ReactionsChanged", "RoomUpdated", "UserBanned", "UserUnbanned"];

#[tokio::test]
async fn readers_disconnected_hundreds_of_times_receive_each_event_once_in_order() {
    let redis = RedisServer::start().await;
    let environment = [("REDIS_URL", &*redis.url()), ("REDIS_TIMEOUT", "20s")];
    let servers = [Server::with(&environment), Server::with(&environment)];
    let addresses = servers.each_ref().map(|server| server.address().to_owned());
    let pause = Duration::from_millis(20);
    let trial = Trial { seed: rand::random(), rooms: 1, readers: 3, users: 4, pause, cuts: 300, events: 0 };
    println!("{trial:?}");
    let outcome = trial.run(&addresses).await;
    assert_eq!(outcome.faults, Faults::default(), "{trial:?} became {outcome:?}");
    assert_eq!((outcome.cuts, outcome.readers), ([100; 3], 9), "{trial:?} became {outcome:?}");
    let kinds: Vec<_> = outcome.kinds.keys().map(String::as_str).collect();
    assert_eq!(kinds, LOGGED_KINDS, "every reader also gets RoomEnded: {outcome:?}");
}
