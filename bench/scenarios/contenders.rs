//! Who is measured: our server, and the floor beside it.

use serde_json::Value;

use crate::connection::Connection;
use crate::floor::Floor;
use crate::line::Line;
use crate::sender::{Sender, Voice, floor_path};
use crate::subscription::{Own, subscribe};
use crate::support::client::{Client, RoomKey};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

/// Rates and deadlines are looked at as in production, and nobody reaches them.
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

/// A server that is measured.
pub enum Contender {
    /// With one client for all questions: thousands of them would use up the ports.
    Livechat(Server, Client),
    Floor(Floor),
}

impl Contender {
    /// Our server on this Redis.
    pub fn on(redis: &RedisServer) -> Self {
        Self::livechat(Server::with(&[&UNREACHED_LIMITS[..], &[("REDIS_URL", &redis.url())]].concat()))
    }

    /// Our server on its embedded store.
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

    /// A room in which nothing was said. On a floor any name is one.
    pub async fn new_room(&self) -> RoomKey {
        match self {
            Self::Livechat(_, client) => client.create_room().await,
            Self::Floor(_) => RoomKey { id: format!("{:032x}", rand::random::<u128>()), code: String::new() },
        }
    }

    /// Somebody new in a room. To a floor they send messages of so many bytes.
    pub fn voice(&self, room: &RoomKey, bytes: usize) -> Voice {
        let room = room.clone();
        match self {
            Self::Livechat(..) => Voice::Livechat { room, id: Value::Null, token: Value::Null },
            Self::Floor(_) => Voice::Floor { room, bytes },
        }
    }

    /// As [`voice`](Self::voice), with a connection of their own.
    pub async fn sender(&self, room: &RoomKey, bytes: usize) -> Sender {
        Sender::new(self.connection().await, self.voice(room, bytes))
    }

    /// A socket that follows a room from now on, on our server as `own` says.
    pub async fn follow(&self, room: &RoomKey, own: Own) -> Line {
        match self {
            Self::Livechat(server, _) => {
                let mut line = Line::open(server.address(), "/graphql").await;
                subscribe(&mut line, room, own).await;
                line
            }
            Self::Floor(floor) => Line::open(floor.address(), &format!("{}/live", floor_path(room))).await,
        }
    }

    /// Where the events of a room stand now. A floor has no cursors.
    pub async fn cursor(&self, room: &RoomKey) -> Option<String> {
        match self {
            Self::Livechat(_, client) => Some(client.cursor(room).await),
            Self::Floor(_) => None,
        }
    }

    /// A socket that follows a room from where it stood `missed` messages ago, which `after` names.
    pub async fn resume(&self, room: &RoomKey, after: Option<String>, missed: usize) -> Line {
        match self {
            Self::Livechat(..) => self.follow(room, Own { after, ..Own::default() }).await,
            Self::Floor(floor) => {
                Line::open(floor.address(), &format!("{}/live?last={missed}", floor_path(room))).await
            }
        }
    }

    /// Waits until so many follow a room. A floor is quick to know.
    pub async fn followers_become(&self, room: &RoomKey, count: usize) {
        if let Self::Livechat(_, client) = self {
            client.viewers_become(room, count).await;
        }
    }
}
