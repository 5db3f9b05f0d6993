//! What can be followed.

use std::sync::Arc;

use async_graphql::{Context, ErrorExtensions as _, ID, Result, Subscription as Subscribe};
use futures_util::{Stream, StreamExt as _, future, stream};
use parking_lot::Mutex;

use crate::chat::{Chat, Follower, RoomKey};
use crate::domain::client_key::ClientKey;
use crate::domain::event::Event;
use crate::graphql::schema::error::chat_error;
use crate::graphql::schema::types::MessageEvent;

/// In the data of a request that opens a subscription: where the resolver leaves the events for the transport, which has
/// them rendered one by one.
#[derive(Clone)]
pub(in crate::graphql) struct Opening(Arc<Inner>);

struct Inner {
    resume_after: Option<String>,
    following: Mutex<Option<Following>>,
}

/// A subscription that was opened: the cursor it begins behind, and who reads from there on.
pub(in crate::graphql) struct Following {
    pub(in crate::graphql) start: String,
    pub(in crate::graphql) follower: Follower,
}

impl Opening {
    pub(in crate::graphql) fn new(resume_after: Option<String>) -> Self {
        Self(Arc::new(Inner { resume_after, following: Mutex::default() }))
    }

    /// What the resolver has left, if it has.
    pub(in crate::graphql) fn take(&self) -> Option<Following> {
        self.0.following.lock().take()
    }

    /// Leaves the events. A subscription has one field, so nobody may have left any before.
    fn leave(&self, following: Following) -> Result<()> {
        let before = self.0.following.lock().replace(following);
        match before {
            None => Ok(()),
            Some(_) => {
                let error = async_graphql::Error::new("a subscription has exactly one field at its root");
                Err(error.extend_with(|_, extensions| extensions.set("code", "GRAPHQL_VALIDATION_FAILED")))
            }
        }
    }
}

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
        // An event among the data is to be rendered; whom for does not matter.
        if let Some(event) = ctx.data_opt::<Arc<Event>>() {
            return Ok(stream::once(future::ready(Ok(MessageEvent::from(Arc::clone(event))))).boxed());
        }
        let opening = ctx.data::<Opening>()?;
        let after = opening.0.resume_after.as_deref().or(after.as_deref());
        let key = RoomKey { id: &room_id, code: &room_code };
        let (start, follower) =
            ctx.data::<Chat>()?.follow(*ctx.data::<ClientKey>()?, key, after).await.map_err(chat_error)?;
        opening.leave(Following { start, follower })?;
        Ok(stream::empty().boxed())
    }
}
