//! A real server, a proxy that breaks connections, and clients with short delays.

pub mod proxy;
pub mod server;

use std::sync::Arc;
use std::time::Duration;

use livechat_client::{
    CreatedRoom, Events, JoinOptions, LiveChat, NewRoom, Options, Room, RoomEvent, RoomState, Timing, User,
};
use tokio::time::timeout;

use self::server::Server;

/// How long a test waits for something that must happen.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Short delays between tries, so that tests do not wait, and time limits that even a busy machine does not reach.
pub fn quick() -> Timing {
    Timing {
        open: TIMEOUT,
        pong: TIMEOUT,
        request: TIMEOUT,
        min_retry: Duration::from_millis(10),
        max_retry: Duration::from_millis(200),
        ..Timing::default()
    }
}

/// The same for a client that notices a silent connection soon.
pub fn attentive() -> Timing {
    Timing { ping: Duration::from_millis(500), pong: Duration::from_secs(1), ..quick() }
}

/// A client of the server at this address.
pub fn client(url: &str) -> LiveChat {
    client_with(url, quick())
}

pub fn client_with(url: &str, timing: Timing) -> LiveChat {
    LiveChat::with_options(url, Options { timing, ..Options::default() }).expect("a valid address")
}

/// Someone who joins a room under this name, as its owner.
pub fn owner(room: &CreatedRoom, name: &str) -> JoinOptions {
    JoinOptions { user: User::named(name), ..room.into() }
}

/// Someone who joins a room under this name.
pub fn guest(room: &CreatedRoom, name: &str) -> JoinOptions {
    JoinOptions { user: User::named(name), ..JoinOptions::new(&room.room_id, &room.room_code) }
}

/// A room with its owner Ada, who is connected through `url`, and Grace, who has her own connection.
pub async fn open_room(server: &Server, url: &str) -> (CreatedRoom, Room, Room) {
    let key = client(server.url()).create_room(NewRoom::default()).await.expect("a room");
    let ada = client(url).join(owner(&key, "Ada")).await.expect("Ada joins");
    let grace = client(server.url()).join(guest(&key, "Grace")).await.expect("Grace joins");
    (key, ada, grace)
}

/// Waits until this holds for the state of a room.
pub async fn wait_for(room: &Room, holds: impl Fn(&RoomState) -> bool) -> Arc<RoomState> {
    match timeout(TIMEOUT, room.wait_for(holds)).await {
        Ok(state) => state.expect("the room goes on"),
        Err(_) => panic!("not in time: {:#?}", room.state()),
    }
}

/// Waits until a room shows these texts; `None` for a deleted message.
pub async fn wait_for_texts(room: &Room, expected: &[Option<&str>]) {
    wait_for(room, |state| texts(state) == expected).await;
}

pub fn texts(state: &RoomState) -> Vec<Option<&str>> {
    state.messages.iter().map(|message| message.text.as_deref()).collect()
}

/// The next events of a stream.
pub async fn take(events: &mut Events, count: usize) -> Vec<RoomEvent> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let event = timeout(TIMEOUT, events.next()).await;
        let event = event.unwrap_or_else(|_| panic!("only {} events of {count} came: {taken:#?}", taken.len()));
        taken.push(event.expect("the room goes on").expect("no error"));
    }
    taken
}

/// Waits for something that must happen.
pub async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(TIMEOUT, work).await.expect("in time")
}
