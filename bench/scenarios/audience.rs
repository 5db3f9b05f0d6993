//! An audience: thousands of sockets on one server, in a child process, because one process may not have enough files for all.
//!
//! The child is the benchmark's own binary. It reads commands from standard input and answers each with a number.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::subscription::{SubscriptionOptions, subscribe};
use crate::support::client::RoomKey;
use crate::websocket::WebSocketClient;

/// The argument that makes the binary an audience; the server's address follows.
const ROLE: &str = "--be-the-audience";

/// A running audience, killed when dropped.
pub struct Audience {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Audience {
    pub fn start(address: &str) -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this benchmark"))
            .args([ROLE, address])
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

/// Runs the audience and does not return, if this process was started as one.
pub fn serve_if_child() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(role) = arguments.iter().position(|argument| argument == ROLE) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (events, mut sockets) = (Arc::new(AtomicU64::new(0)), 0_u64);
        for command in std::io::stdin().lines() {
            let command = command.expect("a command");
            match *command.split(' ').collect::<Vec<_>>() {
                ["follow", id, code, count] => {
                    let room = RoomKey { id: id.to_owned(), code: code.to_owned() };
                    for _ in 0..count.parse().expect("a number") {
                        runtime.block_on(open(&arguments[role + 1], &room, Arc::clone(&events)));
                        sockets += 1;
                    }
                    println!("{sockets}");
                }
                ["events"] => println!("{}", events.load(Ordering::Relaxed)),
                _ => panic!("unknown command {command}"),
            }
        }
        std::process::exit(0);
    }
}

async fn open(address: &str, room: &RoomKey, count: Arc<AtomicU64>) {
    let mut socket = WebSocketClient::open(address, "/graphql").await;
    subscribe(&mut socket, room, SubscriptionOptions::default()).await;
    tokio::spawn(async move {
        loop {
            let mut events = 0;
            socket.read_texts(usize::MAX, |_| events += 1).await;
            count.fetch_add(events, Ordering::Relaxed);
        }
    });
}
