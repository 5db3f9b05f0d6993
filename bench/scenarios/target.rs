//! The server under test: livechat, or the floor it is compared with.

use serde_json::Value;

use crate::connection::Connection;
use crate::floor::Floor;
use crate::sender::{Author, Sender, floor_path};
use crate::subscription::{SubscriptionOptions, subscribe};
use crate::support::client::{Client, RoomKey};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::websocket::WebSocketClient;

/// Limits are checked as in production, but set so high that no client reaches them.
const UNREACHED_LIMITS: [(&str, &str); 10] = [
    ("REQUEST_TIMEOUT", "5m"),
    ("REDIS_TIMEOUT", "30s"),
    ("OPERATION_TIMEOUT", "30s"),
    ("MAX_CONNECTIONS_PER_ADDRESS", "100000"),
    ("MAX_SOCKETS_PER_ADDRESS", "100000"),
    ("RATE_LIMITS", "on"),
    ("RATE_ROOMS_PER_ADDRESS", "1000000/s:1000000"),
    ("RATE_SENDS_PER_USER", "1000000/s:1000000"),
    ("RATE_SENDS_PER_ROOM", "1000000/s:1000000"),
    ("RATE_SUBSCRIPTIONS_PER_ADDRESS", "1000000/s:1000000"),
];

/// A server under test.
pub enum Target {
    /// With one shared client: thousands of clients would use up the ports.
    Livechat(Server, Client),
    Floor(Floor),
}

impl Target {
    /// Livechat on this Redis.
    pub fn on(redis: &RedisServer) -> Self {
        Self::livechat(Server::with(&[&UNREACHED_LIMITS[..], &[("REDIS_URL", &redis.url())]].concat()))
    }

    /// Livechat on its embedded store.
    pub fn embedded() -> Self {
        Self::livechat(Server::with(&UNREACHED_LIMITS))
    }

    fn livechat(server: Server) -> Self {
        let client = server.client();
        Self::Livechat(server, client)
    }

    pub fn floor(redis: &RedisServer) -> Self {
        Self::Floor(Floor::on_redis(&redis.url()))
    }

    pub fn process_id(&self) -> u32 {
        match self {
            Self::Livechat(server, _) => server.process_id(),
            Self::Floor(floor) => floor.process_id(),
        }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        match self {
            Self::Livechat(server, _) => server.address(),
            Self::Floor(floor) => floor.address(),
        }
    }

    pub async fn connection(&self) -> Connection {
        Connection::open(self.address()).await
    }

    /// An empty room. On the floor, any name is a room.
    pub async fn new_room(&self) -> RoomKey {
        match self {
            Self::Livechat(_, client) => client.create_room().await,
            Self::Floor(_) => RoomKey { id: format!("{:032x}", rand::random::<u128>()), code: String::new() },
        }
    }

    /// A new user in a room. On the floor, its messages have this many bytes.
    pub fn author(&self, room: &RoomKey, bytes: usize) -> Author {
        let room = room.clone();
        match self {
            Self::Livechat(..) => Author::Livechat { room, id: Value::Null, token: Value::Null },
            Self::Floor(_) => Author::Floor { room, bytes },
        }
    }

    /// A new user with its own connection.
    pub async fn sender(&self, room: &RoomKey, bytes: usize) -> Sender {
        Sender::new(self.connection().await, self.author(room, bytes))
    }

    /// Opens a socket that follows a room from now on; on livechat, with the subscription in `options`.
    pub async fn follow(&self, room: &RoomKey, options: SubscriptionOptions) -> WebSocketClient {
        match self {
            Self::Livechat(server, _) => {
                let mut socket = WebSocketClient::open(server.address(), "/graphql").await;
                subscribe(&mut socket, room, options).await;
                socket
            }
            Self::Floor(floor) => WebSocketClient::open(floor.address(), &format!("{}/live", floor_path(room))).await,
        }
    }

    /// The current cursor of a room. The floor has no cursors.
    pub async fn cursor(&self, room: &RoomKey) -> Option<String> {
        match self {
            Self::Livechat(_, client) => Some(client.cursor(room).await),
            Self::Floor(_) => None,
        }
    }

    /// Opens a socket that follows a room from `missed` messages ago, where the cursor is `after`.
    pub async fn resume(&self, room: &RoomKey, after: Option<String>, missed: usize) -> WebSocketClient {
        match self {
            Self::Livechat(..) => {
                self.follow(room, SubscriptionOptions { after, ..SubscriptionOptions::default() }).await
            }
            Self::Floor(floor) => {
                WebSocketClient::open(floor.address(), &format!("{}/live?last={missed}", floor_path(room))).await
            }
        }
    }

    /// Waits until a room has this many followers. The floor needs no wait.
    pub async fn wait_for_followers(&self, room: &RoomKey, count: usize) {
        if let Self::Livechat(_, client) = self {
            client.wait_for_viewers(room, count).await;
        }
    }
}
