//! The subscription root.

use async_graphql::{Context, ID, Result, Subscription as SubscriptionRoot};
use futures_util::{Stream, StreamExt as _, stream};

use crate::chat::{Chat, RoomKey};
use crate::graphql::schema::error::chat_error;
use crate::graphql::schema::request_data::client_key;
use crate::graphql::schema::types::MessageEvent;

/// The subscriptions.
pub struct Subscription;

/// The subscriptions.
#[SubscriptionRoot]
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
        let followed = ctx.data::<Chat>()?.follow(client_key(ctx), key, after.as_deref()).await;
        let (_, follower) = followed.map_err(chat_error)?;
        let events = stream::unfold(follower, async |mut follower| Some((follower.next().await?, follower)));
        let events = events.filter_map(async |event| match event {
            Ok(event) => MessageEvent::from_event(event).map(Ok),
            Err(error) => Some(Err(chat_error(error))),
        });
        Ok(events.boxed())
    }
}
