//! The scenarios that every client package runs, by the names in clients/scenarios.json.

use std::collections::HashMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use livechat_client::{
    Change, Connection, ErrorCode, JoinOptions, LiveChat, NewRoom, Options, Status, Storage, Timing, User,
};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::sleep;

use crate::support::proxy::Proxy;
use crate::support::server::{Server, signal};
use crate::support::{
    attentive, client, client_with, guest, open_room, owner, quick, take, texts, wait_for, wait_for_texts, within,
};

#[test]
fn every_scenario_has_a_test() {
    #[derive(Deserialize)]
    struct Scenarios {
        names: Vec<String>,
    }
    let list = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios.json")).expect("the list");
    let Scenarios { names } = serde_json::from_slice(&list).expect("names");
    assert!(!names.is_empty());
    for name in names {
        let test = format!("async fn {}()", name.replace(' ', "_"));
        assert!(include_str!("scenarios.rs").contains(&test), "{name} has no test");
    }
}

#[tokio::test]
async fn first_chat() {
    let server = Server::start();
    let (_, ada, grace) = open_room(&server, server.url()).await;
    let mut events = grace.events();
    let sending = ada.send("Hello");
    let state = ada.state();
    assert_eq!(texts(&state), [Some("Hello")]);
    assert_eq!((&state.messages[0].status, state.messages[0].index), (&Status::Sending, None));
    assert_eq!(state.messages[0].id, sending.client_message_id());
    let hello = within(sending).await.expect("a message");
    assert_eq!((hello.author.display_name.as_str(), hello.index), ("Ada", Some(0)));
    let hi = within(grace.reply(&hello.id, "Hi")).await.expect("a reply");
    assert_eq!(hi.reply_to_id.as_ref(), Some(&hello.id));
    within(ada.edit(&hello.id, "Hello, all")).await.expect("an edit");
    within(ada.remove(&hello.id)).await.expect("a deletion");
    let changes: Vec<_> = take(&mut events, 4).await.into_iter().map(|event| event.change).collect();
    assert!(
        matches!(
            &changes[..],
            [Change::MessageSent(_), Change::MessageSent(_), Change::MessageEdited(_), Change::MessageDeleted(_)]
        ),
        "{changes:#?}"
    );
    for room in [&ada, &grace] {
        wait_for_texts(room, &[None, Some("Hi")]).await;
        assert!(room.state().messages.iter().all(|message| message.status == Status::Sent));
    }
    within(ada.react(&hi.id, "👋")).await.expect("a reaction");
    for room in [&ada, &grace] {
        wait_for(room, |state| state.messages[1].reactions.first().is_some_and(|reaction| reaction.count == 1)).await;
    }
    assert!(Arc::ptr_eq(&ada.state(), &ada.state()), "a state stays the same until the next change");
}

#[tokio::test]
async fn resume_after_cuts() {
    let server = Server::start();
    let proxy = Proxy::to(&server).await;
    let (_, ada, grace) = open_room(&server, proxy.url()).await;
    let mut events = ada.events();
    let first = within(grace.send("first")).await.expect("a message");
    take(&mut events, 1).await;
    for round in 0..3 {
        proxy.refuse();
        wait_for(&ada, |state| state.connection == Connection::Lost).await;
        assert_eq!(ada.state().error.as_ref().map(|error| error.code), Some(ErrorCode::Network));
        within(grace.edit(&first.id, &format!("first, mended {round}"))).await.expect("an edit");
        within(grace.send(format!("during cut {round}"))).await.expect("a message");
        proxy.accept();
        wait_for(&ada, |state| state.connection == Connection::Live && state.error.is_none()).await;
        let changes = take(&mut events, 2).await;
        assert!(
            matches!(changes[0].change, Change::MessageEdited(_))
                && matches!(changes[1].change, Change::MessageSent(_))
        );
    }
    let expected = ["first, mended 2", "during cut 0", "during cut 1", "during cut 2"].map(Some);
    wait_for_texts(&ada, &expected).await;
    assert_eq!(texts(&grace.state()), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_restart() {
    let mut server = Server::start();
    let chat = client(server.url());
    let key = chat.create_room(NewRoom::default()).await.expect("a room");
    let room = chat.join(&key).await.expect("the room");
    let mut events = room.events();
    within(room.send("before")).await.expect("a message");
    let sending = tokio::spawn(room.send("during"));
    server.restart();
    within(sending).await.expect("a task").expect("a message");
    within(room.send("after")).await.expect("a message");
    let sent = take(&mut events, 3).await;
    let sent: Vec<_> = sent.iter().filter_map(|event| event.change.message()?.text.as_deref()).collect();
    assert_eq!(sent, ["before", "during", "after"]);
    assert_eq!(room.state().messages.len(), 3);
}

#[tokio::test]
async fn room_end() {
    // Long enough for a slow machine to join the room before it ends by itself.
    let of_short = Server::with(&[("ROOM_TTL", "10s")]);
    let (_, short, _) = open_room(&of_short, of_short.url()).await;
    let mut events_of_short = short.events();
    let server = Server::start();
    let (_, ada, grace) = open_room(&server, server.url()).await;
    let mut events = grace.events();
    within(ada.send("last words")).await.expect("a message");
    within(ada.owner().end()).await.expect("the end");
    assert!(matches!(take(&mut events, 2).await[1].change, Change::RoomEnded));
    assert!(within(events.next()).await.is_none());
    for room in [&ada, &grace] {
        assert_eq!(within(room.over()).await.code, ErrorCode::RoomNotFound);
        assert_eq!((room.state().connection, texts(&room.state())), (Connection::Ended, vec![Some("last words")]));
    }
    assert_eq!(within(grace.send("too late")).await.expect_err("it is over").code, ErrorCode::RoomNotFound);
    assert!(matches!(grace.state().messages[1].status, Status::Failed(_)));
    // The time of this room is over without an event.
    assert!(within(events_of_short.next()).await.is_none());
    assert_eq!(short.state().connection, Connection::Ended);
    let gone = JoinOptions::new(&short.state().room_id, "000000");
    let refused = within(client(of_short.url()).join(gone)).await.expect_err("it is over");
    assert_eq!(refused.code, ErrorCode::RoomNotFound);
}

#[tokio::test]
async fn rate_limit() {
    // Two at once and another every four seconds, so that a slow machine reaches the limit, too.
    let server = Server::with(&[("RATE_LIMITS", "on"), ("RATE_SENDS_PER_USER", "15/m:2")]);
    let (_, _, grace) = open_room(&server, server.url()).await;
    let sendings: Vec<_> = (0..4).map(|number| grace.send(number.to_string())).collect();
    let is_limited = |status: &Status| matches!(status, Status::Waiting(error) if error.code == ErrorCode::RateLimited);
    let state = wait_for(&grace, |state| state.messages.iter().any(|message| is_limited(&message.status))).await;
    let Some(Status::Waiting(error)) = state.messages.iter().map(|message| &message.status).find(|one| is_limited(one))
    else {
        panic!("nothing waits")
    };
    assert!(error.retry_after.is_some());
    for sending in sendings {
        within(sending).await.expect("a message");
    }
    wait_for_texts(&grace, &["0", "1", "2", "3"].map(Some)).await;
}

/// A storage in memory.
#[derive(Default)]
struct Memory(Mutex<HashMap<String, String>>);

impl Storage for Memory {
    fn load(&self, name: &str) -> Option<String> {
        self.0.lock().expect("the values").get(name).cloned()
    }

    fn save(&self, name: &str, value: &str) {
        self.0.lock().expect("the values").insert(name.into(), value.into());
    }
}

#[tokio::test]
async fn lost_token() {
    let server = Server::start();
    let storage = Arc::new(Memory::default());
    let visit = || {
        let options = Options { timing: quick(), storage: Some(Arc::clone(&storage) as Arc<dyn Storage>) };
        LiveChat::with_options(server.url(), options).expect("a client")
    };
    let key = visit().create_room(NewRoom::default()).await.expect("a room");
    let mut authors = Vec::new();
    for visited in 0..3 {
        if visited == 2 {
            // The token of the last action is lost.
            let mut values = storage.0.lock().expect("the values");
            let value = values.values_mut().next().expect("the user");
            let mut user: serde_json::Value = serde_json::from_str(value).expect("a user");
            user["token"] = "0".repeat(32).into();
            *value = user.to_string();
        }
        let options = JoinOptions { is_visible: false, ..guest(&key, "Ada") };
        let room = visit().join(options).await.expect("the room");
        let message = within(room.send(format!("visit {visited}"))).await.expect("a message");
        // Unlike a send, which its event may confirm, this waits for the response with the next token.
        let edited = within(room.edit(&message.id, "edited")).await.expect("an edit");
        assert_eq!(
            (edited.author.id.as_str(), message.author.display_name.as_str()),
            (room.state().user_id.as_str(), "Ada")
        );
        authors.push(message.author.id.clone());
    }
    assert_eq!(authors[0], authors[1], "a client that comes back is the same user");
    assert_ne!(authors[1], authors[2], "a client without its token continues as a new user");

    // A user that the program has named is not replaced.
    let stranger = User { token: Some("0".repeat(32)), id: Some(authors[2].clone()), display_name: None };
    let options = JoinOptions { user: stranger, ..JoinOptions::new(&key.room_id, &key.room_code) };
    let room = client(server.url()).join(options).await.expect("anyone may read");
    assert_eq!(within(room.send("not me")).await.expect_err("a refusal").code, ErrorCode::TokenInvalid);
}

#[tokio::test]
async fn ten_tabs() {
    let server = Server::start();
    let proxy = Proxy::to(&server).await;
    let chat = client(proxy.url());
    let key = chat.create_room(NewRoom::default()).await.expect("a room");
    let mut rooms = Vec::new();
    for _ in 0..10 {
        rooms.push(chat.join(owner(&key, "Ada")).await.expect("the room"));
    }
    assert_eq!(proxy.accepted(), 1, "all rooms share a connection");
    let mut streams: Vec<_> = rooms.iter().map(|room| room.events()).collect();
    let mut count = 0;
    for round in 0..3 {
        let sendings: Vec<_> =
            rooms.iter().enumerate().map(|(tab, room)| room.send(format!("{tab} {round}"))).collect();
        proxy.cut();
        count = sendings.len();
        let mut ids = Vec::new();
        for sending in sendings {
            ids.push(within(sending).await.expect("a message").author.id.clone());
        }
        assert!(ids.iter().all(|id| *id == rooms[0].state().user_id), "all are one user");
        let mut logs = Vec::new();
        for events in &mut streams {
            let events = take(events, count).await;
            assert!(events.iter().all(|event| matches!(event.change, Change::MessageSent(_))), "{events:#?}");
            logs.push(events.into_iter().map(|event| event.cursor).collect::<Vec<_>>());
        }
        assert!(logs.iter().all(|log| *log == logs[0]), "all see the same");
        // A tab closes. The others miss nothing.
        rooms.pop();
        streams.pop();
    }
    assert_eq!(count, 8);
    wait_for(&rooms[0], |state| state.user_count == 1 && state.people.len() == 1).await;
}

#[tokio::test]
async fn frozen_process() {
    let server = Server::with(&[("KEEP_ALIVE_INTERVAL", "1s")]);
    let (key, ada, _) = open_room(&server, server.url()).await;
    let mut reader = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "scenarios::reader_to_freeze", "--nocapture"])
        .env(ROOM_TO_READ, [server.url(), &key.room_id, &key.room_code].join(" "))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("this program");
    let mut lines = BufReader::new(reader.stdout.take().expect("a pipe")).lines();
    // The test harness writes to the same pipe.
    let mut next = async || loop {
        let line = within(lines.next_line()).await.expect("a line").expect("a line");
        if let Some((_, text)) = line.split_once("read: ") {
            return text.to_owned();
        }
    };
    assert_eq!(next().await, "joined");
    within(ada.send("before")).await.expect("a message");
    assert_eq!(next().await, "before");
    let process = reader.id().expect("a running process");
    signal(process, "STOP");
    for number in 0..20 {
        within(ada.send(format!("missed {number}"))).await.expect("a message");
    }
    // Longer than every time limit of the reader, and until the server has closed its connection after two pings.
    sleep(Duration::from_secs(4)).await;
    signal(process, "CONT");
    within(ada.send("after")).await.expect("a message");
    for number in 0..20 {
        assert_eq!(next().await, format!("missed {number}"));
    }
    assert_eq!(next().await, "after");
}

/// Tells `reader_to_freeze` what to read.
const ROOM_TO_READ: &str = "LIVECHAT_ROOM_TO_READ";

/// The process that `frozen_process` freezes. Does nothing by itself.
#[tokio::test]
async fn reader_to_freeze() {
    let Ok(room) = std::env::var(ROOM_TO_READ) else { return };
    let [url, id, code] = room.split(' ').collect::<Vec<_>>()[..] else { panic!("{room} is no room") };
    let limit = Duration::from_secs(2);
    let timing = Timing { open: limit, request: limit, ..attentive() };
    let room = client_with(url, timing).join(JoinOptions::new(id, code)).await.expect("the room");
    let mut events = room.events();
    println!("read: joined");
    while let Some(event) = events.next().await {
        let change = event.expect("no error").change;
        let text = change.message().and_then(|message| message.text.as_deref());
        println!("read: {}", text.unwrap_or_default());
    }
}

#[tokio::test]
async fn offline_sends() {
    let server = Server::start();
    let proxy = Proxy::to(&server).await;
    let key = client(server.url()).create_room(NewRoom::default()).await.expect("a room");
    let ada = client_with(proxy.url(), quick()).join(owner(&key, "Ada")).await.expect("the room");
    let grace = client(server.url()).join(guest(&key, "Grace")).await.expect("the room");
    proxy.refuse();
    wait_for(&ada, |state| state.connection == Connection::Lost).await;
    let sendings = ["one", "two", "three"].map(|text| ada.send(text));
    assert_eq!(texts(&ada.state()), ["one", "two", "three"].map(Some));
    let is_waiting = |status: &Status| matches!(status, Status::Waiting(error) if error.code == ErrorCode::Network);
    wait_for(&ada, |state| is_waiting(&state.messages[0].status)).await;
    within(grace.send("meanwhile")).await.expect("a message");
    proxy.accept();
    for sending in sendings {
        within(sending).await.expect("a message");
    }
    let expected = ["meanwhile", "one", "two", "three"].map(Some);
    wait_for_texts(&grace, &expected).await;
    wait_for_texts(&ada, &expected).await;
}
