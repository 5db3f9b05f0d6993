//! Delivers the presence of a room, each update rendered once for all subscribers with the same operation.

use std::sync::Arc;

use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::graphql::execution::operation::Operation;
use crate::graphql::execution::outcome::{self, Delivery, Events, Outcome};
use crate::graphql::execution::response::Answer;
use crate::graphql::execution::root_field::RootArguments;
use crate::graphql::execution::subscriptions::{Slot, Subscriptions};
use crate::metrics::GaugeGuard;

impl Subscriptions {
    /// Follows the presence of a room. It has no cursors: whoever reconnects gets a new snapshot.
    pub(super) async fn follow_presence(
        &self,
        slot: Slot,
        operation: &Arc<Operation>,
        arguments: RootArguments<'_>,
    ) -> Result<Outcome, Answer> {
        let RootArguments { room, presence_token, after: _ } = arguments;
        let opened = timeout(self.time_limit, self.chat.presence(slot.client, room, presence_token)).await;
        let mut follower = opened.map_err(|_| Answer::timed_out())?.map_err(|error| {
            Answer::refused_subscription(error, operation.root.position, &operation.root.response_key)
        })?;
        let (renderings, operation) = (Arc::clone(&self.renderings), Arc::clone(operation));
        let turns = renderings.turns().of(follower.room());
        let held = (GaugeGuard::new(&slot.open), slot.permit);
        let deliveries = async_stream::stream! {
            // Not moved, or the stream would reserve memory for it twice.
            let _held = &held;
            while let Some(update) = follower.next().await {
                // Boxed, or every subscription would reserve memory for an execution.
                match Box::pin(renderings.get_presence(&operation, &turns, update)).await {
                    Ok(rendering) => yield Delivery::Event(rendering),
                    Err(failure) => yield Delivery::Failure(Box::new(failure)),
                }
            }
        };
        let deliveries = outcome::catch_panics(deliveries).boxed();
        Ok(Outcome::Events(Events { start: None, deliveries }))
    }
}
