//! The subscription root.

use std::sync::Arc;

use async_graphql::{Context, ID, Result, Subscription as SubscriptionRoot};
use futures_util::{Stream, StreamExt as _, future, stream};

use crate::chat::{Chat, RoomKey};
use crate::domain::event::Event;
use crate::graphql::schema::error::chat_error;
use crate::graphql::schema::events::{MessageEvent, RoomEvent};
use crate::graphql::schema::presence::PresenceEvent;
use crate::graphql::schema::request_data::client_key;

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
        follow(ctx, key, after.as_deref(), MessageEvent::from_event).await
    }

    /// Everything that happens in a room, in order, each once. The cursors are those of messageEvents. Without `after`: from now
    /// on. With `after`: everything since that cursor, then live. Completes when the room ends.
    async fn room_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The room to follow.")] room_id: ID,
        #[graphql(desc = "The room's code.")] room_code: String,
        #[graphql(desc = "A cursor of this room's events: the last one you have seen.")] after: Option<String>,
    ) -> Result<impl Stream<Item = Result<RoomEvent>> + use<>> {
        let key = RoomKey { id: &room_id, code: &room_code };
        follow(ctx, key, after.as_deref(), RoomEvent::from_event).await
    }

    /// Who is here now, and who is typing. Not part of the room's events: it begins with a snapshot, and has no cursors. With a
    /// presenceToken, the subscriber is shown to the others while the subscription lives, and at least ten seconds longer. It does
    /// not count towards viewerCount. Completes when the room ends.
    async fn presence(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The room to follow.")] room_id: ID,
        #[graphql(desc = "The room's code.")] room_code: String,
        #[graphql(desc = "The token that joinRoom returned. Without it, the subscriber is not shown to the others.")]
        presence_token: Option<String>,
    ) -> Result<impl Stream<Item = PresenceEvent> + use<>> {
        let key = RoomKey { id: &room_id, code: &room_code };
        follow_presence(ctx, key, presence_token.as_deref()).await
    }
}

/// Follows the presence of a room.
async fn follow_presence(
    ctx: &Context<'_>,
    key: RoomKey<'_>,
    presence_token: Option<&str>,
) -> Result<impl Stream<Item = PresenceEvent> + use<>> {
    let follower = ctx.data::<Chat>()?.presence(client_key(ctx), key, presence_token).await.map_err(chat_error)?;
    let updates = stream::unfold(follower, async |mut follower| Some((follower.next().await?, follower)));
    Ok(updates.map(PresenceEvent::from).boxed())
}

/// Follows a room, and yields the events that `convert` accepts.
async fn follow<E: Send + 'static>(
    ctx: &Context<'_>,
    key: RoomKey<'_>,
    after: Option<&str>,
    convert: fn(Arc<Event>) -> Option<E>,
) -> Result<impl Stream<Item = Result<E>> + use<E>> {
    let (_, follower) = ctx.data::<Chat>()?.follow(client_key(ctx), key, after).await.map_err(chat_error)?;
    let events = stream::unfold(follower, async |mut follower| Some((follower.next().await?, follower)));
    let events = events.filter_map(move |event| {
        future::ready(match event {
            Ok(event) => convert(event).map(Ok),
            Err(error) => Some(Err(chat_error(error))),
        })
    });
    Ok(events.boxed())
}
