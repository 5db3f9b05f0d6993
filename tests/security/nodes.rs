//! Servers that share a store, and checks of requests that they refuse.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::client::{Client, RoomKey, User, error_code};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;

pub const ON: (&str, &str) = ("RATE_LIMITS", "on");
const OPEN: &str = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { id } }";
pub const CREATE: &str = "mutation { createRoom { room { id code } } }";

/// The servers that share one store: one on the embedded store, two on Redis.
pub struct Nodes {
    pub servers: Vec<Server>,
    pub redis: Option<RedisServer>,
}

impl Nodes {
    pub async fn on_each_store(environment: &[(&str, &str)]) -> Vec<Self> {
        let environment = [environment, &[ON]].concat();
        let redis = RedisServer::start().await;
        let url = redis.url();
        let shared = [&environment[..], &[("REDIS_URL", url.as_str())]].concat();
        vec![
            Self { servers: vec![Server::with(&environment)], redis: None },
            Self { servers: vec![Server::with(&shared), Server::with(&shared)], redis: Some(redis) },
        ]
    }

    /// A client at this address, of server `n` modulo the number of servers.
    pub fn client(&self, n: usize, host: u32) -> Client {
        Client::from_address(self.url(n), address(host))
    }

    /// The GraphQL endpoint of server `n` modulo the number of servers.
    pub fn url(&self, n: usize) -> String {
        self.servers[n % self.servers.len()].url("/graphql")
    }
}

/// One of the many loopback addresses of this machine.
fn address(host: u32) -> IpAddr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + host).into()
}

/// Checks that a response is `RATE_LIMITED` with this message. Returns how long to wait.
pub fn expect_limited(response: &Value, message: &str) -> Duration {
    assert_eq!(error_code(response), "RATE_LIMITED", "{response}");
    assert!(response["errors"][0]["message"].as_str().is_some_and(|text| text.contains(message)), "{response}");
    let millis = response["errors"][0]["extensions"]["retryAfterMs"].as_u64();
    Duration::from_millis(millis.unwrap_or_else(|| panic!("no retryAfterMs in {response}")))
}

/// Tries to open a room with a code.
pub async fn try_code(client: &Client, room: &RoomKey, code: &str) -> Value {
    client.request(OPEN, json!({ "id": room.id, "code": code })).await
}

/// The outcome of an attempt: `OK` or the error code.
pub async fn outcome(client: &Client, room: &RoomKey, code: &str) -> String {
    let response = try_code(client, room, code).await;
    if response.get("errors").is_some() { error_code(&response) } else { "OK".into() }
}

/// A code of the right form that does not open the room.
pub fn wrong(room: &RoomKey) -> String {
    let number: u32 = room.code.parse().expect("digits");
    format!("{:06}", (number + 1) % 1_000_000)
}

/// The input of a mutation by this user in this room, without what the mutation is about.
pub fn input(room: &RoomKey, user: &User) -> Value {
    json!({ "roomId": room.id, "roomCode": room.code, "userId": user.id, "token": user.token })
}
