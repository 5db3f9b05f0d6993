//! The entry point of the crate: a client of one server.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use crate::connection::{Connection, Endpoint};
use crate::operations::{ACTIVE_ROOMS, CREATE_ROOM};
use crate::requests::{Payload, RoomRequests};
use crate::types::{ActiveRoom, CreatedRoom, Page};
use crate::user::Users;
use crate::{Error, JoinOptions, NewRoom, Options, Room, Timing};

/// A client of one server. All its rooms share one WebSocket, which carries about 45 of them.
pub struct LiveChat {
    connection: Arc<Connection>,
    users: Users,
    timing: Timing,
}

impl LiveChat {
    /// A client of the server with the chat page at this address, like `https://chat.example.org`.
    ///
    /// # Errors
    /// The address is invalid, or it begins with `https:` and the feature `rustls` is not enabled.
    pub fn new(url: &str) -> Result<Self, Error> {
        Self::with_options(url, Options::default())
    }

    /// Like [`new`](Self::new), with options.
    ///
    /// # Errors
    /// The address is invalid, or it begins with `https:` and the feature `rustls` is not enabled.
    pub fn with_options(url: &str, Options { timing, storage }: Options) -> Result<Self, Error> {
        let endpoint = Endpoint::new(url)?;
        let users = Users::new(format!("livechat:{}:", endpoint.name()), storage);
        Ok(Self { connection: Arc::new(Connection::new(endpoint, timing)), users, timing })
    }

    /// Creates a room.
    ///
    /// # Errors
    /// The server refuses or cannot be reached.
    pub async fn create_room(&self, settings: NewRoom) -> Result<CreatedRoom, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Created {
            owner_token: String,
            room: CreatedData,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct CreatedData {
            id: String,
            code: String,
            expires_at: String,
        }
        let variables = json!({ "input": settings });
        let Payload { payload: Created { owner_token, room } } =
            self.connection.request(CREATE_ROOM, variables).await?;
        Ok(CreatedRoom { room_id: room.id, room_code: room.code, owner_token, expires_at: room.expires_at })
    }

    /// A page of the listed rooms, newest first: the first `first`, at most 100, after this cursor.
    ///
    /// # Errors
    /// The server refuses or cannot be reached.
    pub async fn active_rooms(&self, first: u32, after: Option<&str>) -> Result<Page<ActiveRoom>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Rooms {
            active_rooms: Page<ActiveRoom>,
        }
        let variables = json!({ "first": first, "after": after });
        Ok(self.connection.request::<Rooms>(ACTIVE_ROOMS, variables).await?.active_rooms)
    }

    /// Joins a room. Returns when it has been read. Tries again while the server cannot be reached; drop the future to give up.
    ///
    /// # Errors
    /// The server refuses.
    ///
    /// # Panics
    /// If it is called outside of a Tokio runtime.
    pub async fn join(&self, options: impl Into<JoinOptions>) -> Result<Room, Error> {
        let room = self.room(options);
        room.joined().await?;
        Ok(room)
    }

    /// Like [`join`](Self::join), but returns the room at once. Its state tells how far it is.
    ///
    /// # Panics
    /// If it is called outside of a Tokio runtime.
    pub fn room(&self, options: impl Into<JoinOptions>) -> Room {
        let options = options.into();
        let user = self.users.of(&options);
        let JoinOptions { room_id, room_code, owner_token, is_visible, .. } = options;
        let connection = Arc::clone(&self.connection);
        let requests = RoomRequests::new(connection, self.timing, room_id, room_code, user, owner_token);
        Room::open(requests, is_visible, self.timing)
    }
}
