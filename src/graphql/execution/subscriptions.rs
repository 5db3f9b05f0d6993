//! Opens subscriptions, within the limits on their number. `room_log` delivers the events of a room's log,
//! and `presence` who is in a room.
//!
//! The schema could do this alone. Here the room's events are read without the schema, so that an event is rendered once
//! for all subscribers with the same operation, and a message that changes before it is delivered is rendered again.

mod presence;
mod room_log;

use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::OperationDefinition;

use crate::chat::Chat;
use crate::client_limit::{ClientLimit, ClientPermit, Exceeded};
use crate::domain::client_key::ClientKey;
use crate::error_code::ErrorCode;
use crate::graphql::execution::document::Document;
use crate::graphql::execution::metrics::GraphqlMetrics;
use crate::graphql::execution::operation::{Identity, Operation};
use crate::graphql::execution::outcome::Outcome;
use crate::graphql::execution::rendering::Renderings;
use crate::graphql::execution::request::{Parameters, RequestContext};
use crate::graphql::execution::response::Answer;
use crate::graphql::execution::root_field::RootFieldName;
use crate::metrics::Gauge;

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
    renderings: Arc<Renderings>,
    open: Arc<ClientLimit>,
    /// How long opening a subscription may take.
    time_limit: Duration,
    metrics: GraphqlMetrics,
}

impl Subscriptions {
    pub(in crate::graphql) fn new(
        chat: Chat,
        renderings: Renderings,
        open: Arc<ClientLimit>,
        time_limit: Duration,
        metrics: GraphqlMetrics,
    ) -> Self {
        Self { chat, renderings: Arc::new(renderings), open, time_limit, metrics }
    }

    /// Opens the subscription of this operation of a valid document. Its variables have been coerced.
    pub(in crate::graphql) async fn open(
        &self,
        parameters: Parameters,
        document: &Document,
        definition: Option<&OperationDefinition>,
        context: RequestContext,
    ) -> Result<Outcome, Answer> {
        let client = context.client;
        let too_many = |exceeded| too_many_subscriptions(exceeded, "subscriptions");
        let permit = self.open.acquire(Some(client), 1).map_err(too_many)?;
        let slot = Slot { client, permit, open: self.metrics.subscriptions(context.transport) };
        let operation = self.share_operation(&parameters, document, definition, client)?;
        let (variables, resume_after) = (parameters.variables.as_ref(), context.resume_after.as_deref());
        let arguments = operation.root.arguments(variables, resume_after).ok_or_else(Answer::fault)?;
        match operation.root.name {
            RootFieldName::MessageEvents | RootFieldName::RoomEvents => self.follow(slot, &operation, arguments).await,
            RootFieldName::Presence => self.follow_presence(slot, &operation, arguments).await,
        }
    }

    /// The operation of a document, which is prepared only if nobody has subscribed to the same.
    fn share_operation(
        &self,
        parameters: &Parameters,
        document: &Document,
        definition: Option<&OperationDefinition>,
        client: ClientKey,
    ) -> Result<Arc<Operation>, Answer> {
        let identity = Identity::of(parameters, document);
        if let Some(shared) = self.renderings.shared(&identity) {
            return Ok(shared);
        }
        let executable = document.prepare(definition, parameters.variables.as_ref())?;
        let operation = Operation::new(identity, parameters, document, executable, self.renderings.introspection)
            .ok_or_else(Answer::fault)?;
        let too_many = |exceeded| too_many_subscriptions(exceeded, "distinct subscriptions");
        self.renderings.share(operation, client).map_err(too_many)
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
