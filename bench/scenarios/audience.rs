//! An audience: thousands of sockets on one server, in a process of its own, as one process may not have files enough for all. The
//! benchmark's binary, started again. It is told over its standard input what to do and answers each line with a number.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::line::Line;
use crate::subscription::{Own, subscribe};
use crate::support::client::RoomKey;

/// The argument with which a benchmark's binary is an audience. The one after it is the server's address.
const ROLE: &str = "--be-the-audience";

/// A running audience, gone when dropped.
pub struct Audience {
    process: Child,
    orders: ChildStdin,
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
        let orders = process.stdin.take().expect("a pipe");
        let answers = BufReader::new(process.stdout.take().expect("a pipe"));
        Self { process, orders, answers }
    }

    /// Opens so many sockets more on a room; how many there are now on all.
    pub fn follow(&mut self, room: &RoomKey, sockets: usize) -> u64 {
        self.order(&format!("follow {} {} {sockets}", room.id, room.code))
    }

    /// How many events have reached it.
    pub fn heard(&mut self) -> u64 {
        self.order("heard")
    }

    fn order(&mut self, order: &str) -> u64 {
        writeln!(self.orders, "{order}").expect("an audience that listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("an audience that answers");
        answer.trim().parse().unwrap_or_else(|_| panic!("the audience answered {answer:?} to {order}"))
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        let _ = self.process.kill().and_then(|()| self.process.wait());
    }
}

/// Serves, and does not return, when this process is to be an audience.
pub fn serve_if_asked() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(role) = arguments.iter().position(|argument| argument == ROLE) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (heard, mut sockets) = (Arc::new(AtomicU64::new(0)), 0_u64);
        for order in std::io::stdin().lines() {
            let order = order.expect("an order");
            match *order.split(' ').collect::<Vec<_>>() {
                ["follow", id, code, count] => {
                    let room = RoomKey { id: id.to_owned(), code: code.to_owned() };
                    for _ in 0..count.parse().expect("a number") {
                        runtime.block_on(open(&arguments[role + 1], &room, Arc::clone(&heard)));
                        sockets += 1;
                    }
                    println!("{sockets}");
                }
                ["heard"] => println!("{}", heard.load(Ordering::Relaxed)),
                _ => panic!("nobody knows the order {order}"),
            }
        }
        std::process::exit(0);
    }
}

async fn open(address: &str, room: &RoomKey, heard: Arc<AtomicU64>) {
    let mut line = Line::open(address, "/graphql").await;
    subscribe(&mut line, room, Own::default()).await;
    tokio::spawn(async move {
        loop {
            let mut events = 0;
            line.frames(usize::MAX, |_| events += 1).await;
            heard.fetch_add(events, Ordering::Relaxed);
        }
    });
}
