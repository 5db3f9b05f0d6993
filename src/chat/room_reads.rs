//! Opens rooms with their codes, and reads them, from caches where possible.

use std::sync::Arc;
use std::time::Instant;

use crate::access::Denied;
use crate::chat::room_cache::CachedRoom;
use crate::chat::{Chat, ChatError, RoomKey, ids};
use crate::domain::client_key::ClientKey;
use crate::domain::message::Message;
use crate::domain::page::Window;
use crate::domain::room::RoomId;
use crate::store::{RoomState, Snapshot, StoreError};

/// A room and a page of its messages at one instant.
#[derive(Clone, Debug)]
pub struct RoomView {
    pub state: RoomState,
    /// The messages of the requested window, oldest first; empty without a window.
    pub messages: Arc<Vec<Message>>,
}

/// A room whose code was right.
pub(super) struct OpenedRoom {
    pub(super) room: Arc<CachedRoom>,
    /// Its state, if opening the room had to read it.
    pub(super) fresh_state: Option<RoomState>,
}

impl Chat {
    /// Opens a room before reading it, so a client without the right code costs little, however large the room.
    pub(super) async fn open_and_read_room(
        &self,
        client: ClientKey,
        key: RoomKey<'_>,
        messages: Option<Window>,
    ) -> Result<RoomView, ChatError> {
        match (self.open_room(client, key).await?, messages) {
            (OpenedRoom { fresh_state: Some(state), .. }, None) => Ok(RoomView { state, messages: Arc::default() }),
            (OpenedRoom { room, .. }, messages) => self.read_room(room.id, messages).await,
        }
    }

    /// Finds a room and opens it with its code, unless the client is locked out. An unknown id does not count as a failure:
    /// nobody guesses 122 random bits, and there is no code to protect.
    pub(super) async fn open_room(&self, client: ClientKey, key: RoomKey<'_>) -> Result<OpenedRoom, ChatError> {
        let id = ids::parse_room_id(key.id)?;
        self.access.check_lockout(client, id)?;
        let opened = self.find_room(id).await?;
        let checked = self.access.open_room(client, &opened.room, key.code).await;
        if matches!(checked, Err(Denied::Store(StoreError::NotFound))) {
            self.rooms.forget(id);
        }
        checked?;
        Ok(opened)
    }

    /// Finds a room, without any check of the client.
    pub(super) async fn find_room(&self, id: RoomId) -> Result<OpenedRoom, StoreError> {
        if let Some(room) = self.rooms.find(id) {
            return Ok(OpenedRoom { room, fresh_state: None });
        }
        let asked_at = Instant::now();
        let state = self.store.snapshot(id, None).await?.state;
        Ok(OpenedRoom { room: self.rooms.remember(state.clone(), asked_at), fresh_state: Some(state) })
    }

    /// Reads a room that was opened, and a page of its messages if a window is given. Reads a cached page from the store only
    /// if the room has changed.
    pub(super) async fn read_room(&self, room: RoomId, messages: Option<Window>) -> Result<RoomView, ChatError> {
        let Some(window) = messages else {
            let state = self.read_store(room, None).await?.state;
            return Ok(RoomView { state, messages: Arc::default() });
        };
        if let Some((version, messages)) = self.pages.find(room, window) {
            let state = self.read_store(room, None).await?.state;
            if state.version() == version {
                return Ok(RoomView { state, messages });
            }
        }
        let Snapshot { state, messages } = self.read_store(room, Some(window)).await?;
        let messages = Arc::new(messages);
        self.pages.remember(room, window, state.version(), &messages);
        Ok(RoomView { state, messages })
    }

    pub(super) async fn read_store(&self, room: RoomId, messages: Option<Window>) -> Result<Snapshot, ChatError> {
        let snapshot = self.store.snapshot(room, messages).await;
        if matches!(snapshot, Err(StoreError::NotFound)) {
            self.rooms.forget(room);
        }
        Ok(snapshot?)
    }
}
