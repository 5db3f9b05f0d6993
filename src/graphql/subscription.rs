//! What can be followed.

use async_graphql::{Context, ID, Result, Subscription as Subscribe};
use futures_util::{Stream, StreamExt as _};

use crate::chat::{Chat, RoomKey};
use crate::graphql::error::answer;
use crate::graphql::types::MessageEvent;

/// What can be followed.
pub struct Subscription;

/// What can be followed.
#[Subscribe]
impl Subscription {
    /// Every change of a room's messages, in order, each once. Without `after`: from now on. With `after`: everything
    /// since that cursor, then live. Completes when the room ends.
    async fn message_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The room to follow.")] room_id: ID,
        #[graphql(desc = "The room's code.")] room_code: String,
        #[graphql(desc = "A cursor of this room's events: the last one you have seen.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<MessageEvent>> + use<>> {
        let key = RoomKey { id: &room_id, code: &room_code };
        let events = ctx.data::<Chat>()?.follow(key, after.as_deref()).await.map_err(answer)?;
        Ok(events.map(|event| event.map(MessageEvent::from).map_err(answer)))
    }
}
