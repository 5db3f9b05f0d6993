//! Servers that livechat is compared with, each in a child process. Those in Rust run in the benchmark's own binary.

mod floor;
mod graphql_axum;
mod rooms;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use axum::Router;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::net::TcpListener;

use crate::pinning;

/// The argument that makes the binary a peer; the peer's name and the URL of Redis follow.
const ROLE: &str = "--be-the-peer";

/// How a peer is started.
#[derive(Clone, Copy)]
pub enum Program {
    /// By its name in `serve_if_child`.
    Rust(&'static str),
    /// A script in `bench/peers`.
    Node(&'static str),
}

/// A running peer, killed when dropped.
pub struct Peer {
    process: Child,
    address: String,
}

impl Peer {
    /// Starts a peer, which prints its address once it listens.
    pub fn start(program: Program, redis: &str) -> Self {
        let words = match program {
            Program::Rust(name) => {
                let own = std::env::current_exe().expect("this benchmark");
                vec![own.to_str().expect("a path in text").to_owned(), ROLE.into(), name.into(), redis.into()]
            }
            Program::Node(script) => vec!["node".into(), in_directory(script)],
        };
        let words = pinning::pin(words);
        let mut process = Command::new(&words[0])
            .args(&words[1..])
            .env("REDIS_URL", redis)
            .env("NODE_ENV", "production")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} cannot be started: {error}", words[0]));
        let mut address = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut address).expect("its address");
        assert!(!address.is_empty(), "the peer {words:?} did not start");
        Self { process, address: address.trim().to_owned() }
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

impl Program {
    /// Whether everything that the program needs is installed.
    pub fn is_installed(self) -> bool {
        match self {
            Self::Rust(_) => true,
            Self::Node(_) => Path::new(&in_directory("node_modules")).exists(),
        }
    }
}

/// The path of a file in `bench/peers`.
pub fn in_directory(file: &str) -> String {
    format!("{}/bench/peers/{file}", env!("CARGO_MANIFEST_DIR"))
}

/// If this process was started as a peer, runs it and does not return. Call it first in `main`.
pub fn serve_if_child() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(role) = arguments.iter().position(|argument| argument == ROLE) {
        let (name, redis) = (&arguments[role + 1], &arguments[role + 2]);
        let client = redis::Client::open(redis.as_str()).expect("a URL of our own");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let router = match name.as_str() {
                "floor" => floor::router(&client).await,
                "graphql_axum" => graphql_axum::router(&client).await,
                _ => panic!("unknown peer {name}"),
            };
            serve(router).await;
        });
    }
}

/// The connection of a peer to Redis. Without a timeout: under full load a response takes longer than the half second that is the
/// default, and the peer would answer with an error.
async fn connect(client: &redis::Client) -> MultiplexedConnection {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    client.get_multiplexed_async_connection_with_config(&config).await.expect("a connection to redis-server")
}

async fn serve(router: Router) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("its address"));
    axum::serve(listener, router).await.expect("a running server");
}
