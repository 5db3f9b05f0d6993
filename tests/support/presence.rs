//! A reader of a room's presence that keeps the list of users, and users who can be present.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::TIMEOUT;
use super::client::{Client, RoomKey, error_code, text};
use super::socket::Socket;

pub const PRESENCE: &str = "subscription($roomId: ID!, $roomCode: String!, $token: String) {
    presence(roomId: $roomId, roomCode: $roomCode, presenceToken: $token) {
        __typename
        ... on PresenceSnapshot { viewerCount userCount users { user { id displayName } role } typing { id } }
        ... on PresenceChanged { viewerCount userCount joined { user { id displayName } role } left { id } }
        ... on TypingChanged { typing { id } } } }";

const JOIN: &str = "mutation($input: JoinRoomInput!) { joinRoom(input: $input) { user { id } token presenceToken } }";
const SET_TYPING: &str = "mutation($input: SetTypingInput!) { setTyping(input: $input) { until } }";

/// A user that has joined a room.
#[derive(Clone, Debug)]
pub struct Member {
    pub id: String,
    /// For its next action.
    pub token: String,
    pub presence_token: String,
}

impl Member {
    /// Registers a user with a name in a room.
    pub async fn join(client: &Client, room: &RoomKey, name: &str) -> Self {
        Self::join_with(client, room, name, None).await
    }

    /// Like [`join`](Self::join), with the token of the owner.
    pub async fn join_with(client: &Client, room: &RoomKey, name: &str, owner_token: Option<&str>) -> Self {
        let input = json!({ "roomId": room.id, "roomCode": room.code, "displayName": name, "ownerToken": owner_token });
        let joined = &client.data(JOIN, json!({ "input": input })).await["joinRoom"];
        Self {
            id: text(&joined["user"]["id"]),
            token: text(&joined["token"]),
            presence_token: text(&joined["presenceToken"]),
        }
    }

    /// Says that the user is typing. Returns the whole response.
    pub async fn set_typing(&self, client: &Client, room: &RoomKey) -> Value {
        set_typing(client, room, &self.presence_token).await
    }
}

/// Says that the user of a token is typing. Returns the whole response.
pub async fn set_typing(client: &Client, room: &RoomKey, token: &str) -> Value {
    let input = json!({ "roomId": room.id, "roomCode": room.code, "presenceToken": token });
    client.request(SET_TYPING, json!({ "input": input })).await
}

/// The variables of [`PRESENCE`].
pub fn variables(room: &RoomKey, token: Option<&str>) -> Value {
    json!({ "roomId": room.id, "roomCode": room.code, "token": token })
}

/// One socket with one subscription. Refuses updates that do not fit to the list.
pub struct PresenceReader {
    socket: Socket,
    /// The roles of the listed users, by id.
    pub users: BTreeMap<String, String>,
    pub user_count: u64,
    pub viewer_count: u64,
    /// The ids of the users who are typing.
    pub typing: Vec<String>,
    /// The ids of all users that were ever reported as gone.
    pub left: Vec<String>,
}

impl PresenceReader {
    /// Subscribes, and waits for the snapshot.
    pub async fn open(address: &str, room: &RoomKey, token: Option<&str>) -> Self {
        Self::try_open(address, room, token).await.unwrap_or_else(|code| panic!("presence was refused: {code}"))
    }

    /// The same for a user of the room.
    pub async fn open_as(address: &str, room: &RoomKey, member: &Member) -> Self {
        Self::open(address, room, Some(&member.presence_token)).await
    }

    /// Subscribes, and returns the error code if that is refused.
    pub async fn try_open(address: &str, room: &RoomKey, token: Option<&str>) -> Result<Self, String> {
        let mut socket = Socket::ready(address).await;
        socket.subscribe("presence", PRESENCE, variables(room, token)).await;
        let (users, typing, left) = Default::default();
        let mut reader = Self { socket, users, user_count: 0, viewer_count: 0, typing, left };
        let first = reader.socket.receive().await;
        if first["type"] == "error" {
            return Err(error_code(&json!({ "errors": first["payload"] })));
        }
        let snapshot = &first["payload"]["data"]["presence"];
        assert_eq!(snapshot["__typename"], "PresenceSnapshot", "{first}");
        reader.apply(snapshot);
        Ok(reader)
    }

    /// Waits for the next update. Returns its type, or `complete`.
    pub async fn update(&mut self) -> String {
        let message = self.socket.receive().await;
        if message["type"] == "complete" {
            return "complete".to_owned();
        }
        let update = &message["payload"]["data"]["presence"];
        assert!(update.is_object(), "an update was expected, not {message}");
        self.apply(update);
        text(&update["__typename"])
    }

    /// Reads updates until the condition holds.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let updates = async {
            while !holds(self) {
                assert_ne!(self.update().await, "complete", "the presence has ended; waiting for: {what}");
            }
        };
        let in_time = tokio::time::timeout(TIMEOUT, updates).await.is_ok();
        assert!(in_time, "not in time: {what}; users: {:?}, typing: {:?}", self.users, self.typing);
    }

    /// Reads updates until exactly these users are present.
    pub async fn until_present(&mut self, members: &[&Member]) {
        let mut ids: Vec<_> = members.iter().map(|member| member.id.as_str()).collect();
        ids.sort_unstable();
        self.until(&format!("{ids:?} are present"), |reader| {
            reader.users.keys().eq(&ids) && reader.user_count == ids.len() as u64
        })
        .await;
    }

    /// Reads updates until exactly these users are typing.
    pub async fn until_typing(&mut self, members: &[&Member]) {
        let ids: Vec<_> = members.iter().map(|member| member.id.as_str()).collect();
        self.until(&format!("{ids:?} are typing"), |reader| reader.typing == ids).await;
    }

    fn apply(&mut self, update: &Value) {
        let ids =
            |users: &Value| users.as_array().into_iter().flatten().map(|user| text(&user["id"])).collect::<Vec<_>>();
        let present = |users: &Value| {
            let users = users.as_array().into_iter().flatten();
            users.map(|present| (text(&present["user"]["id"]), text(&present["role"]))).collect::<Vec<_>>()
        };
        let kind = text(&update["__typename"]);
        if kind != "PresenceChanged" {
            self.typing = ids(&update["typing"]);
        }
        if kind == "TypingChanged" {
            return;
        }
        self.user_count = update["userCount"].as_u64().expect("a number");
        self.viewer_count = update["viewerCount"].as_u64().expect("a number");
        if kind == "PresenceSnapshot" {
            self.users = present(&update["users"]).into_iter().collect();
            return;
        }
        for user in ids(&update["left"]) {
            assert!(self.users.remove(&user).is_some(), "a user who left was in the list: {update}");
            self.left.push(user);
        }
        for (user, role) in present(&update["joined"]) {
            let known = self.users.insert(user, role.clone());
            assert_ne!(known, Some(role), "a user who joined is new or has changed: {update}");
        }
    }
}
