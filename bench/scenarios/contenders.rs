//! Who is measured: our server, and the floor beside it.

use crate::connection::Connection;
use crate::floor::Floor;
use crate::sender::Sender;
use crate::support::client::RoomKey;
use crate::support::server::Server;

/// Rates and deadlines are looked at, and nobody reaches them.
pub const UNREACHED_LIMITS: [(&str, &str); 8] = [
    ("REQUEST_TIMEOUT", "5m"),
    ("REDIS_TIMEOUT", "30s"),
    ("OPERATION_TIMEOUT", "30s"),
    ("RATE_LIMITS", "on"),
    ("RATE_ROOMS_PER_ADDRESS", "1000000/s:1000000"),
    ("RATE_SENDS_PER_USER", "1000000/s:1000000"),
    ("RATE_SENDS_PER_ROOM", "1000000/s:1000000"),
    ("RATE_SUBSCRIPTIONS_PER_ADDRESS", "1000000/s:1000000"),
];

/// A server that is measured.
pub enum Contender {
    Livechat(Server),
    Floor(Floor),
}

impl Contender {
    pub fn process_id(&self) -> u32 {
        match self {
            Self::Livechat(server) => server.process_id(),
            Self::Floor(floor) => floor.process_id(),
        }
    }

    /// A room in which nothing was said. On a floor any name is one.
    pub async fn new_room(&self) -> RoomKey {
        match self {
            Self::Livechat(server) => server.client().create_room().await,
            Self::Floor(_) => RoomKey { id: format!("{:032x}", rand::random::<u128>()), code: String::new() },
        }
    }

    /// Somebody new who sends to a room.
    pub async fn sender(&self, room: &RoomKey) -> Sender {
        match self {
            Self::Livechat(server) => Sender::to_room(server, room).await,
            Self::Floor(floor) => Sender::to_floor(floor, room).await,
        }
    }

    pub async fn connection(&self) -> Connection {
        Connection::open(match self {
            Self::Livechat(server) => server.address(),
            Self::Floor(floor) => floor.address(),
        })
        .await
    }
}
