//! A stream of a room's events, as the APIs read it.

use std::sync::Arc;

use crate::chat::ChatError;
use crate::domain::event::Event;
use crate::domain::room::RoomId;
use crate::hub;

/// One reader of a room, made by [`Chat::follow`](super::Chat::follow).
pub struct Follower(pub(super) hub::Follower);

impl Follower {
    /// Returns the next event, or `None` when the room has ended. If the log no longer contains the reader's position, returns
    /// an error, and then `None`. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<Arc<Event>, ChatError>> {
        self.0.next().await.map(|event| event.map_err(ChatError::from))
    }

    /// The room that is followed.
    pub fn room(&self) -> RoomId {
        self.0.room()
    }

    /// The last event again, with its message as it is now. `None` if [`next`](Self::next) has to read it from the log first.
    pub fn refresh(&mut self, event: &Arc<Event>) -> Option<Arc<Event>> {
        self.0.refresh(event)
    }
}
