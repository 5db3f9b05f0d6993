//! An audience: thousands of sockets on one server, in a child process, because one process may not have enough files for all.
//!
//! The child is the benchmark's own binary. It reads commands from standard input and answers each with a number.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::stream::{self, StreamExt as _};
use serde_json::json;
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;

use crate::subscription::{ACKNOWLEDGED, SubscriptionOptions, init_frame, operation_frame, subscribe};
use crate::support::client::RoomKey;
use crate::websocket::WebSocketClient;

/// The argument that makes the binary an audience; its number and the server's address follow.
const ROLE: &str = "--be-the-audience";

/// Sockets per local address: fewer than an address has ports by default.
const SOCKETS_PER_ADDRESS: u64 = 20_000;

/// Sockets that are opened concurrently.
const CONCURRENCY: usize = 50;

/// A running audience, killed when dropped.
pub struct Audience {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Audience {
    /// Starts an audience. Those with different numbers use different local addresses.
    pub fn start(number: usize, server: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this benchmark"))
            .args([ROLE, &number.to_string(), server])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this benchmark again");
        let commands = process.stdin.take().expect("a pipe");
        let answers = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, commands, answers }
    }

    /// Opens more sockets on a room. Returns the number of sockets on all rooms.
    pub fn open_sockets(&mut self, room: &RoomKey, sockets: usize) -> u64 {
        self.send_command(&format!("follow {} {} {sockets}", room.id, room.code))
    }

    /// The number of events received so far.
    pub fn count_events(&mut self) -> u64 {
        self.send_command("events")
    }

    fn send_command(&mut self, command: &str) -> u64 {
        writeln!(self.commands, "{command}").expect("a running audience");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("an answer of the audience");
        answer.trim().parse().unwrap_or_else(|_| panic!("the audience answered {answer:?} to {command}"))
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// If this process was started as an audience, runs it and does not return.
pub fn serve_if_child() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(role) = arguments.iter().position(|argument| argument == ROLE) {
        let number = arguments[role + 1].parse().expect("a number");
        Sockets::new(number, arguments[role + 2].clone()).serve();
        std::process::exit(0);
    }
}

/// The sockets of the child process.
struct Sockets {
    runtime: Runtime,
    /// The number of this audience.
    number: u64,
    server: String,
    opened: u64,
    events: Arc<AtomicU64>,
}

impl Sockets {
    fn new(number: u64, server: String) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Self { runtime: runtime.expect("a runtime"), number, server, opened: 0, events: Arc::default() }
    }

    fn serve(&mut self) {
        for command in std::io::stdin().lines() {
            let command = command.expect("a command");
            match *command.split(' ').collect::<Vec<_>>() {
                ["follow", id, code, count] => {
                    let room = RoomKey { id: id.to_owned(), code: code.to_owned() };
                    self.open(&room, count.parse().expect("a number"));
                    println!("{}", self.opened);
                }
                ["events"] => println!("{}", self.events.load(Ordering::Relaxed)),
                _ => panic!("unknown command {command}"),
            }
        }
    }

    fn open(&mut self, room: &RoomKey, count: u64) {
        let addresses: Vec<_> = (self.opened..self.opened + count).map(|socket| self.local_address(socket)).collect();
        let (server, events) = (&self.server, &self.events);
        self.runtime.block_on(async {
            for address in addresses.iter().collect::<BTreeSet<_>>() {
                enter(*address, server, room).await;
            }
            let open = |address| open(address, server, room, Arc::clone(events));
            stream::iter(addresses).for_each_concurrent(CONCURRENCY, open).await;
        });
        self.opened += count;
    }

    /// Any address of 127.0.0.0/8 is local. Each pair of audience and socket range has its own.
    fn local_address(&self, socket: u64) -> Ipv4Addr {
        let byte = |value: u64| u8::try_from(value).expect("few enough sockets");
        let (high, low) = (self.number / 250, self.number % 250);
        Ipv4Addr::new(127, 1 + byte(high), 1 + byte(low), 1 + byte(socket / SOCKETS_PER_ADDRESS))
    }
}

/// Makes an address known to a room. The server checks the codes of an unknown address one after the other, and refuses them if too
/// many wait.
async fn enter(from: Ipv4Addr, server: &str, room: &RoomKey) {
    let mut socket = connect(from, server).await;
    socket.send_text(&init_frame(&SubscriptionOptions::default())).await;
    assert!(socket.next_text().await.contains(ACKNOWLEDGED));
    let variables = json!({ "id": room.id, "code": room.code });
    let query = "query($id: ID!, $code: String!) { room(id: $id, code: $code) { id } }";
    socket.send_text(&operation_frame("enter", query, &variables)).await;
    let answer = socket.next_text().await;
    assert!(answer.contains(&room.id), "{answer}");
}

async fn open(from: Ipv4Addr, server: &str, room: &RoomKey, count: Arc<AtomicU64>) {
    let mut socket = connect(from, server).await;
    subscribe(&mut socket, room, SubscriptionOptions::default()).await;
    tokio::spawn(async move {
        loop {
            let mut events = 0;
            socket.read_texts(usize::MAX, |_| events += 1).await;
            count.fetch_add(events, Ordering::Relaxed);
        }
    });
}

async fn connect(from: Ipv4Addr, server: &str) -> WebSocketClient {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((from, 0).into()).expect("a free port");
    let stream = socket.connect(server.parse().expect("an address")).await.expect("a connection");
    WebSocketClient::over(stream, server, "/graphql").await
}
