//! Data of the future: what newer versions may add to a store neither breaks a read nor a resume, on any transport or route.
//! docs/decisions/0011-data-of-newer-versions.md has the rules.

mod embedded;
mod redis;

use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::support::client::{Client, RoomKey, User, text};
use crate::support::http;
use crate::support::owner::{OwnedRoom, react, try_join};
use crate::support::server::Server;
use crate::support::subscriber::ROOM_EVENTS;
use crate::support::transport::{Reader, Resume, Transport};

/// All transports, with both ways to resume.
const WAYS: [(Transport, Resume); 6] = [
    (Transport::WebSocket, Resume::Argument),
    (Transport::WebSocket, Resume::Connection),
    (Transport::ServerSentEvents, Resume::Argument),
    (Transport::ServerSentEvents, Resume::Connection),
    (Transport::Multipart, Resume::Argument),
    (Transport::LegacyWebSocket, Resume::Argument),
];

/// A room with something of every kind, and the users in it.
struct World {
    room: OwnedRoom,
    /// Has sent two messages and reacted to her first.
    ada: User,
    /// Has joined.
    bob: User,
    /// Has sent a message and is banned.
    eve: User,
    /// The ids of Ada's messages.
    messages: [String; 2],
}

impl World {
    async fn create(server: &Server) -> Self {
        let room = OwnedRoom::create_with(&server.client(), json!({ "title": "A title" })).await;
        let [mut ada, mut bob] = [(); 2].map(|()| User::with_own_token(server.client()));
        let mut eve = User::with_own_token(elsewhere(server));
        let messages = ["first", "second"];
        let messages = [ada.send(&room.key, messages[0]).await, ada.send(&room.key, messages[1]).await];
        let messages = messages.map(|message| text(&message["id"]));
        react(&mut ada, &room.key, &messages[0], "👍", true).await;
        try_join(&mut bob, &room.key).await;
        eve.send(&room.key, "third").await;
        room.ban(&eve, json!({ "reason": "a reason" })).await;
        room.update(json!({ "slowModeSeconds": 1 })).await;
        Self { room, ada, bob, eve, messages }
    }

    /// Lets everybody use this server.
    fn move_to(&mut self, server: &Server) {
        for client in [&mut self.room.client, &mut self.ada.client, &mut self.bob.client] {
            *client = server.client();
        }
        self.eve.client = elsewhere(server);
    }

    /// Everything that queries and the legacy routes tell about the room, but its cursor.
    async fn read(&self, server: &Server) -> Value {
        const FIELDS: &str =
            "id code createdAt expiresAt chatterCount settings { title listed capacity slowModeSeconds locked }
            chatters(first: 10) { totalCount nodes { id displayName } }
            messages(last: 10) { totalCount nodes { id index text createdAt editedAt deletedAt deletedBy authorRole
                author { id displayName } reactions { emoji count } } }";
        let (room, client) = (&self.room.key, server.client());
        let list = client.data("{ activeRooms(first: 10) { totalCount nodes { id createdAt } } }", json!({})).await;
        let legacy = http::Client::of(&server.url(""));
        let body = json!({ "room_id": format!("room:*{}", room.id), "room_code": room.code });
        let answer = legacy.post("/v1/room/", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let rooms = legacy.get("/v1/rooms_views/").await;
        assert!(rooms.status == 200 && rooms.body.contains(&room.id), "{}", rooms.body);
        let record = &answer.json()["data"];
        json!([
            client.query_room(room, FIELDS).await,
            self.room.bans("").await,
            list,
            record["messages"],
            record["chatters_amount"]
        ])
    }

    /// Opens a reader on each way.
    async fn open_readers(&self, server: &Server, after: &str) -> Vec<Reader> {
        let mut readers = Vec::new();
        for (transport, resume) in WAYS {
            let connection = TcpStream::connect(server.address()).await.expect("a connection");
            let (room, after) = (&self.room.key, Some(after.to_owned()));
            let opened = Reader::with(connection, transport, ROOM_EVENTS, room, after, resume).await;
            readers.push(opened.expect("a subscription"));
        }
        readers
    }

    /// Sends a message, which must be the next event of every reader.
    async fn send_to(&mut self, readers: &mut [Reader], message: &str) {
        self.ada.send(&self.room.key, message).await;
        for (reader, way) in readers.iter_mut().zip(WAYS) {
            let event = reader.event().await;
            assert_eq!(
                (&event["__typename"], &event["message"]["text"]),
                (&json!("MessageSent"), &json!(message)),
                "{way:?}"
            );
        }
    }
}

/// A client with an address of its own, because a ban covers the address.
fn elsewhere(server: &Server) -> Client {
    Client::from_address(server.url("/graphql"), std::net::Ipv4Addr::new(127, 0, 0, 9).into())
}

/// The end of a room's log.
async fn head(server: &Server, room: &RoomKey) -> String {
    server.client().cursor(room).await
}

/// The next events of every reader, which all get the same.
async fn next_of_all(readers: &mut [Reader], count: usize) -> Vec<Value> {
    let mut all = Vec::new();
    for reader in readers {
        all.push(reader.events(count).await);
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{all:?}");
    all.swap_remove(0)
}

/// No read has failed, and no reader has read the log because of an event that it does not know.
async fn assert_undisturbed(server: &Server) {
    let metrics = http::Client::of(&server.url("")).get("/metrics").await.body;
    assert!(metrics.contains("livechat_replays_total{reason=\"gap\"} 0"), "{metrics}");
    assert!(metrics.contains("livechat_replays_total{reason=\"resync\"} 0"), "{metrics}");
    let log = server.log();
    assert!(!log.contains("ERROR") && !log.contains("cannot decode") && !log.contains("panicked"), "{log}");
}
