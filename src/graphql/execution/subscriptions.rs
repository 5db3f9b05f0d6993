//! Opens subscriptions, within the limits on their number. `root_field` reads what a subscription asks for, and `room_log` delivers
//! the events of a room's log. `presence` delivers who is in a room.
//!
//! The schema could do this alone. Here the room's events are read without the schema, so that an event is rendered once
//! for all subscribers with the same operation, and a message that changes before it is delivered is rendered again.

mod presence;
mod room_log;
mod root_field;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::ExecutableDocument;

use crate::chat::Chat;
use crate::client_limit::{ClientLimit, ClientPermit, Exceeded};
use crate::domain::client_key::ClientKey;
use crate::error_code::ErrorCode;
use crate::graphql::execution::document::Document;
use crate::graphql::execution::metrics::GraphqlMetrics;
use crate::graphql::execution::outcome::Outcome;
use crate::graphql::execution::rendering::{Operation, Renderings};
use crate::graphql::execution::request::{Parameters, RequestContext};
use crate::graphql::execution::response::Answer;
use crate::metrics::Gauge;

use crate::graphql::execution::subscriptions::root_field::{RootField, RootFieldName};

/// Maximum numbers of open subscriptions.
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionLimits {
    pub total: usize,
    pub per_client: usize,
    /// Subscriptions that are rendered separately. Longer documents count as several.
    pub distinct: usize,
    pub distinct_per_client: usize,
}

/// Opens subscriptions, within the limits.
#[derive(Clone)]
pub(in crate::graphql) struct Subscriptions {
    chat: Chat,
    renderings: Renderings,
    open: Arc<ClientLimit>,
    /// How long opening a subscription may take.
    time_limit: Duration,
    metrics: GraphqlMetrics,
}

impl Subscriptions {
    pub(in crate::graphql) fn new(
        chat: Chat,
        renderings: Renderings,
        limits: SubscriptionLimits,
        time_limit: Duration,
        metrics: GraphqlMetrics,
    ) -> Self {
        let open = ClientLimit::new(limits.per_client, limits.total);
        Self { chat, renderings, open, time_limit, metrics }
    }

    /// Opens the subscription of `executable`, which is the operation of a valid document with coerced variables.
    pub(in crate::graphql) async fn open(
        &self,
        parameters: Parameters,
        document: &Document,
        executable: ExecutableDocument,
        context: RequestContext,
    ) -> Result<Outcome, Answer> {
        let client = context.client;
        let too_many = |exceeded| too_many_subscriptions(exceeded, "subscriptions");
        let permit = self.open.acquire(Some(client), 1).map_err(too_many)?;
        let slot = Slot { client, permit, open: self.metrics.subscriptions(context.transport) };
        let field = RootField::read(&executable, &parameters, context.resume_after).ok_or_else(Answer::fault)?;
        let too_many = |exceeded| too_many_subscriptions(exceeded, "distinct subscriptions");
        let operation = Operation::new(&parameters, document, executable);
        let operation = self.renderings.share(operation, client).map_err(too_many)?;
        drop(parameters);
        match field.name {
            RootFieldName::MessageEvents | RootFieldName::RoomEvents => self.follow(slot, field, operation).await,
            RootFieldName::Presence => self.follow_presence(slot, field, operation).await,
        }
    }
}

/// The place of a subscription among those that may be open.
struct Slot {
    client: ClientKey,
    permit: ClientPermit,
    /// Counts it once it is open.
    open: Gauge,
}

/// The answer to a subscription beyond a limit.
fn too_many_subscriptions(exceeded: Exceeded, of_what: &str) -> Answer {
    match exceeded {
        Exceeded::PerClient => {
            let message = format!("this client has as many {of_what} as it may; end one first");
            Answer::refused(ErrorCode::TooManySubscriptions, message)
        }
        Exceeded::Total => Answer::overloaded(),
    }
}
