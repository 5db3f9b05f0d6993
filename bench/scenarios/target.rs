//! A running server under test.

use std::time::Duration;

use futures_util::future::join_all;

use crate::client::Client;
use crate::connection::Connection;
use crate::contestants::{Contestant, Program};
use crate::peers::Peer;
use crate::pinning;
use crate::process_stats::cpu_micros;
use crate::protocol::{Author, Step};
use crate::sender::Sender;
use crate::subscription::SubscriptionOptions;
use crate::support::client::{self, RoomKey};
use crate::support::redis_server::RedisServer;
use crate::support::server::Server;
use crate::websocket::WebSocketClient;

/// Limits are checked as in production, but set so high that no client reaches them.
const UNREACHED_LIMITS: [(&str, &str); 18] = [
    ("REQUEST_TIMEOUT", "5m"),
    ("REDIS_TIMEOUT", "30s"),
    ("OPERATION_TIMEOUT", "30s"),
    ("MAX_CONNECTIONS", "1000000"),
    ("MAX_CONNECTIONS_PER_ADDRESS", "1000000"),
    ("MAX_SOCKETS_PER_ADDRESS", "1000000"),
    ("MAX_SUBSCRIPTIONS", "1000000"),
    ("MAX_SUBSCRIPTIONS_PER_CLIENT", "1000000"),
    ("MAX_DISTINCT_SUBSCRIPTIONS", "1000000"),
    ("MAX_DISTINCT_SUBSCRIPTIONS_PER_CLIENT", "1000000"),
    ("UNSENT_MAX_BYTES_PER_CLIENT", "536870912"),
    ("RATE_LIMITS", "on"),
    ("RATE_ROOMS_PER_ADDRESS", "1000000/s:1000000"),
    ("RATE_SENDS_PER_USER", "1000000/s:1000000"),
    ("RATE_SENDS_PER_CLIENT", "1000000/s:1000000"),
    ("RATE_READS_PER_CLIENT", "1000000/s:1000000"),
    ("RATE_SENDS_PER_ROOM", "1000000/s:1000000"),
    ("RATE_SUBSCRIPTIONS_PER_ADDRESS", "1000000/s:1000000"),
];

/// Time for a peer to finish what it does after its last response.
const SETTLING: Duration = Duration::from_millis(500);

/// A server under test, with a Redis of its own if it uses one.
pub struct Target {
    pub contestant: &'static Contestant,
    process: Process,
    redis: Option<RedisServer>,
}

enum Process {
    /// With one shared client: thousands of clients would use up the ports.
    Livechat(Server, client::Client),
    Peer(Peer),
}

/// CPU time in microseconds.
#[derive(Clone, Copy)]
pub struct Cpu {
    pub server: f64,
    pub redis: Option<f64>,
}

impl Target {
    /// Starts a server on a Redis of its own, so that the CPU time of this Redis is the server's share.
    pub async fn start(contestant: &'static Contestant) -> Self {
        let redis = match contestant.program {
            Program::Livechat { on_redis: false, .. } => None,
            _ => Some(RedisServer::start().await),
        };
        let process = Process::start(contestant.program, redis.as_ref().map(RedisServer::url).as_deref());
        Self { contestant, process, redis }
    }

    /// Starts a server on a shared Redis.
    pub fn start_on(contestant: &'static Contestant, redis: &RedisServer) -> Self {
        Self { contestant, process: Process::start(contestant.program, Some(&redis.url())), redis: None }
    }

    pub fn process_id(&self) -> u32 {
        match &self.process {
            Process::Livechat(server, _) => server.process_id(),
            Process::Peer(peer) => peer.process_id(),
        }
    }

    /// The CPU time so far of the server and of its own Redis.
    pub fn cpu(&self) -> Cpu {
        Cpu {
            server: cpu_micros(self.process_id()),
            redis: self.redis.as_ref().map(|redis| cpu_micros(redis.process_id())),
        }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        match &self.process {
            Process::Livechat(server, _) => server.address(),
            Process::Peer(peer) => peer.address(),
        }
    }

    /// A new connection for requests.
    pub async fn client(&self) -> Client {
        if !self.contestant.protocol.requests_use_sockets() {
            return Client::Http(Connection::open(self.address()).await);
        }
        let nowhere = RoomKey { id: String::new(), code: String::new() };
        Client::Socket(self.open_socket(&nowhere, &SubscriptionOptions::default()).await)
    }

    /// An empty room. On a peer, any name is a room.
    pub async fn new_room(&self) -> RoomKey {
        match &self.process {
            Process::Livechat(_, client) => client.create_room().await,
            Process::Peer(_) => RoomKey { id: format!("{:032x}", rand::random::<u128>()), code: String::new() },
        }
    }

    /// A new user with its own connection.
    pub async fn sender(&self, room: &RoomKey) -> Sender {
        Sender::new(self.client().await, Author::of(room), self.contestant.protocol)
    }

    /// Sends messages to a room from several new users in parallel.
    pub async fn fill(&self, room: &RoomKey, messages: usize, users: usize) {
        let mut senders = join_all((0..users).map(|_| self.sender(room))).await;
        join_all(senders.iter_mut().map(async |sender| {
            for number in 0..messages / users {
                sender.send(number).await;
            }
        }))
        .await;
    }

    /// Opens a socket that follows a room.
    pub async fn follow(&self, room: &RoomKey, options: SubscriptionOptions) -> WebSocketClient {
        let mut socket = self.open_socket(room, &options).await;
        take_steps(&mut socket, self.contestant.protocol.subscription(room, &options)).await;
        socket
    }

    async fn open_socket(&self, room: &RoomKey, options: &SubscriptionOptions) -> WebSocketClient {
        let protocol = self.contestant.protocol;
        let mut socket = WebSocketClient::open(self.address(), &protocol.socket_path(room, options)).await;
        take_steps(&mut socket, protocol.greeting(options)).await;
        socket
    }

    /// The current cursor of a room. Peers have no cursors.
    pub async fn cursor(&self, room: &RoomKey) -> Option<String> {
        match &self.process {
            Process::Livechat(_, client) => Some(client.cursor(room).await),
            Process::Peer(_) => None,
        }
    }

    /// Waits until a room has this many followers. Peers do not report them, but need little time.
    pub async fn wait_for_followers(&self, rooms: impl IntoIterator<Item = &RoomKey>, count: usize) {
        match &self.process {
            Process::Livechat(_, client) => {
                for room in rooms {
                    client.wait_for_viewers(room, count).await;
                }
            }
            Process::Peer(_) => tokio::time::sleep(SETTLING).await,
        }
    }
}

impl Process {
    fn start(program: Program, redis: Option<&str>) -> Self {
        let (pinned, redis) = match program {
            Program::Livechat { pinned, .. } => (pinned, redis),
            Program::Peer(program) => return Self::Peer(Peer::start(program, redis.expect("a Redis for a peer"))),
        };
        let redis = redis.map(|url| ("REDIS_URL", url));
        let environment: Vec<_> = UNREACHED_LIMITS.into_iter().chain(redis).collect();
        let server = if pinned {
            let program = pinning::pin(vec![env!("CARGO_BIN_EXE_livechat").to_owned()]);
            Server::started_by(program, &environment)
        } else {
            Server::with(&environment)
        };
        let client = server.client();
        Self::Livechat(server, client)
    }
}

async fn take_steps(socket: &mut WebSocketClient, steps: Vec<Step>) {
    for step in steps {
        match step {
            Step::Send(text) => socket.send_text(&text).await,
            Step::Expect(part) => {
                let text = socket.next_text().await;
                assert!(text.contains(part), "{part} was expected, not {text}");
            }
        }
    }
}
