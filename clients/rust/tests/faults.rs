//! What happens when something fails, or is used in an unusual way.

use std::time::Duration;

use futures_util::FutureExt as _;
use livechat_client::{Change, Connection, ErrorCode, JoinOptions, LiveChat, NewRoom, Status, Timing};
use tokio::net::TcpListener;

use crate::support::proxy::Proxy;
use crate::support::server::Server;
use crate::support::{
    attentive, client, client_with, guest, open_room, owner, quick, take, texts, wait_for, wait_for_texts, within,
};

#[tokio::test]
async fn a_silent_connection_is_noticed_and_replaced() {
    let server = Server::start();
    let proxy = Proxy::to(&server).await;
    let (key, _, grace) = open_room(&server, server.url()).await;
    let ada = client_with(proxy.url(), attentive()).join(owner(&key, "Ada")).await.expect("Ada joins");
    wait_for(&ada, |state| state.connection == Connection::Live).await;
    proxy.stall();
    within(grace.send("missed")).await.expect("a message");
    wait_for(&ada, |state| state.connection == Connection::Lost).await;
    proxy.accept();
    wait_for_texts(&ada, &[Some("missed")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_room_is_read_again_when_the_server_has_lost_its_last_writes() {
    let mut server = Server::start();
    let chat = client(server.url());
    let key = chat.create_room(NewRoom::default()).await.expect("a room");
    let room = chat.join(&key).await.expect("the room");
    let mut events = room.events();
    within(room.send("kept")).await.expect("a message");
    let backup = tempfile::tempdir().expect("a directory");
    server.restart_after(|data| copy(data, &backup.path().join("data")));
    within(room.send("lost")).await.expect("a message");
    take(&mut events, 2).await;
    server.restart_after(|data| {
        std::fs::remove_dir_all(data).expect("a directory of our own");
        copy(&backup.path().join("data"), data);
    });
    assert_eq!(take(&mut events, 1).await[0].change, Change::RoomReloaded);
    wait_for_texts(&room, &[Some("kept")]).await;
    within(room.send("new")).await.expect("a message");
    assert!(matches!(take(&mut events, 1).await[0].change, Change::MessageSent(_)));
    assert_eq!(texts(&room.state()), [Some("kept"), Some("new")]);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.expect("the cp command").success());
}

#[tokio::test]
async fn a_wrong_room_code_is_refused_and_not_tried_again() {
    let server = Server::start();
    let chat = client(server.url());
    let key = chat.create_room(NewRoom::default()).await.expect("a room");
    let room = chat.room(JoinOptions::new(&key.room_id, "wrong"));
    assert_eq!(room.state().connection, Connection::Connecting);
    assert_eq!(within(room.joined()).await.expect_err("a refusal").code, ErrorCode::RoomCodeInvalid);
    let state = room.state();
    assert_eq!(state.connection, Connection::Closed);
    assert_eq!(state.error.as_ref().map(|error| error.code), Some(ErrorCode::RoomCodeInvalid));
    let invalid = within(chat.join(&key)).await.expect("the room");
    let refused = within(invalid.send("x".repeat(4_001))).await.expect_err("it is too long");
    assert_eq!((refused.code, refused.field.as_deref()), (ErrorCode::ValidationFailed, Some("text")));
}

#[tokio::test]
async fn leaving_gives_up_what_is_not_sent_and_ends_the_streams() {
    let server = Server::start();
    let proxy = Proxy::to(&server).await;
    let (key, ada, grace) = open_room(&server, proxy.url()).await;
    let (mut events, mut states) = (ada.events(), ada.states());
    proxy.refuse();
    wait_for(&ada, |state| state.connection == Connection::Lost).await;
    let (sending, other) = (ada.send("never"), ada.send("neither"));
    wait_for(&ada, |state| matches!(state.messages[0].status, Status::Waiting(_))).await;
    let waiting = tokio::spawn({
        let id = key.room_id.clone();
        async move {
            let result = ada.edit(&id, "text").await;
            (ada, result)
        }
    });
    tokio::task::yield_now().await;
    assert!(other.now_or_never().is_none(), "it waits for the connection");
    waiting.abort();
    // The room was dropped with the task.
    assert_eq!(within(sending).await.expect_err("it was left").code, ErrorCode::Left);
    assert!(within(events.next()).await.is_none());
    let mut last = None;
    while let Some(state) = within(states.next()).await {
        last = Some(state);
    }
    let last = last.expect("a state");
    assert_eq!((last.connection, &last.error), (Connection::Closed, &None));
    assert!(texts(&grace.state()).is_empty());
}

#[tokio::test]
async fn a_dropped_room_ends_its_subscriptions() {
    let server = Server::start();
    let (key, ada, grace) = open_room(&server, server.url()).await;
    wait_for(&ada, |state| state.viewer_count == 2 && state.people.len() == 2).await;
    drop(grace);
    wait_for(&ada, |state| state.viewer_count == 1).await;
    // A connection that others use stays open.
    let chat = client(server.url());
    let rooms =
        [chat.join(guest(&key, "Bob")).await.expect("the room"), chat.join(guest(&key, "Bob")).await.expect("it")];
    wait_for(&ada, |state| state.viewer_count == 3).await;
    let [first, second] = rooms;
    drop(first);
    wait_for(&ada, |state| state.viewer_count == 2).await;
    within(second.send("still here")).await.expect("a message");
}

#[tokio::test]
async fn requests_have_deadlines() {
    // Accepts connections and never responds.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let limit = Duration::from_millis(200);
    let chat = client_with(&url, Timing { open: limit, ..quick() });
    assert_eq!(within(chat.create_room(NewRoom::default())).await.expect_err("no room").code, ErrorCode::Network);
    let chat = client_with(&url, Timing { request: limit, ..quick() });
    assert_eq!(within(chat.active_rooms(10, None)).await.expect_err("no rooms").code, ErrorCode::Timeout);
    drop(listener);
    assert_eq!(within(client(&url).active_rooms(10, None)).await.expect_err("no rooms").code, ErrorCode::Network);
}

#[test]
fn invalid_addresses_are_refused() {
    for url in ["", "chat.example.org", "ftp://chat.example.org", "http://", "http:// x"] {
        let refused = LiveChat::new(url).err().unwrap_or_else(|| panic!("{url:?} was accepted"));
        assert_eq!(refused.code, ErrorCode::UrlInvalid);
    }
    assert!(LiveChat::new("http://127.0.0.1:8001/chat/").is_ok());
    assert_eq!(LiveChat::new("https://chat.example.org").is_ok(), cfg!(feature = "rustls"));
}

#[tokio::test]
async fn a_server_below_a_path_is_found() {
    let server = Server::with(&[("BASE_PATH", "/chat")]);
    let chat = client(server.url());
    let key = chat.create_room(NewRoom::default()).await.expect("a room");
    let room = within(chat.join(owner(&key, "Ada"))).await.expect("the room");
    within(room.send("Hello")).await.expect("a message");
}
