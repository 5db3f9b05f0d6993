//! Delivers the events of a room's log, each rendered once for all subscribers with the same operation.

use std::sync::Arc;

use async_graphql::{Pos, Response};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::chat::{ChatError, Follower};
use crate::domain::event::Event;
use crate::graphql::execution::operation::Operation;
use crate::graphql::execution::outcome::{self, Delivery, Events, Outcome};
use crate::graphql::execution::render_turns::RoomTurns;
use crate::graphql::execution::rendering::Renderings;
use crate::graphql::execution::response::Answer;
use crate::graphql::execution::root_field::RootArguments;
use crate::graphql::execution::subscriptions::{Slot, Subscriptions};
use crate::graphql::schema::error::chat_error;
use crate::metrics::GaugeGuard;

/// An event whose text is replaced meanwhile is rendered at most this many times.
const MAX_RENDERINGS: usize = 3;

impl Subscriptions {
    /// Follows a room, and delivers the kinds of events that the root field has.
    pub(super) async fn follow(
        &self,
        slot: Slot,
        operation: &Arc<Operation>,
        arguments: RootArguments<'_>,
    ) -> Result<Outcome, Answer> {
        let RootArguments { room, after, presence_token: _ } = arguments;
        let followed = timeout(self.time_limit, self.chat.follow(slot.client, room, after)).await;
        let (start, mut follower) = followed.map_err(|_| Answer::timed_out())?.map_err(|error| {
            Answer::refused_subscription(error, operation.root.position, &operation.root.response_key)
        })?;
        let (renderings, operation) = (Arc::clone(&self.renderings), Arc::clone(operation));
        let turns = renderings.turns().of(follower.room());
        let held = (GaugeGuard::new(&slot.open), slot.permit);
        let deliveries = async_stream::stream! {
            // Not moved, or the stream would reserve memory for it twice.
            let _held = &held;
            while let Some(event) = follower.next().await {
                let event = match event {
                    Ok(event) => event,
                    Err(error) => {
                        yield lost(error);
                        continue;
                    }
                };
                if !operation.root.name.delivers(&event.kind) {
                    continue;
                }
                if let Some(rendering) = operation.recent(&event) {
                    yield Delivery::Event(rendering);
                    continue;
                }
                // Boxed, or every subscription would reserve memory for an execution.
                if let Some(delivery) = Box::pin(render(&renderings, &operation, &turns, event, &mut follower)).await {
                    yield delivery;
                }
            }
        };
        let deliveries = outcome::catch_panics(deliveries).boxed();
        Ok(Outcome::Events(Events { start: Some(start), deliveries }))
    }
}

/// Renders an event. Its message may change while the rendering waits for its turn, so the event is read again afterwards;
/// `None` if the follower has to return it once more.
async fn render(
    renderings: &Arc<Renderings>,
    operation: &Arc<Operation>,
    turns: &RoomTurns,
    mut event: Arc<Event>,
    follower: &mut Follower,
) -> Option<Delivery> {
    for attempt in 1_usize.. {
        let rendering = match renderings.get(operation, turns, Arc::clone(&event)).await {
            Ok(rendering) => rendering,
            Err(failure) => return Some(Delivery::Failure(Box::new(failure))),
        };
        let now = follower.refresh(&event)?;
        // A text that is replaced again and again is shown as it was a moment ago. A deleted text is never shown.
        let is_current = Arc::ptr_eq(&now, &event)
            || (attempt >= MAX_RENDERINGS && now.message().is_none_or(|message| message.text.is_some()));
        if is_current {
            return Some(Delivery::Event(rendering));
        }
        event = now;
    }
    None
}

/// The end of a subscription whose follower failed.
fn lost(error: ChatError) -> Delivery {
    let error = chat_error(error).into_server_error(Pos::default());
    Delivery::Failure(Box::new(Answer::from(Response::from_errors(vec![error]))))
}
