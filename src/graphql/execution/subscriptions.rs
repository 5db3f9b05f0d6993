//! Opens subscriptions: authorizes the reader, follows the room, and delivers each event as `rendering` renders it.
//!
//! The schema could do this alone. Here the room's events are read without the schema, so that an event is rendered once
//! for all subscribers with the same operation, and a message that changes before it is delivered is rendered again.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::parser::types::{ExecutableDocument, Selection};
use async_graphql::{Pos, Positioned, Response};
use futures_util::StreamExt as _;
use tokio::time::timeout;

use crate::chat::{Chat, ChatError, Follower, RoomKey};
use crate::client_limit::{ClientLimit, Exceeded};
use crate::domain::event::{Event, EventKind};
use crate::error_code::ErrorCode;
use crate::graphql::execution::arguments::Argument;
use crate::graphql::execution::document::{Document, operation_of};
use crate::graphql::execution::metrics::GraphqlMetrics;
use crate::graphql::execution::outcome::{self, Delivery, Events, Outcome};
use crate::graphql::execution::render_turns::RoomTurns;
use crate::graphql::execution::rendering::{Operation, Renderings};
use crate::graphql::execution::request::{Parameters, RequestContext};
use crate::graphql::execution::response::Answer;
use crate::graphql::schema::error::chat_error;
use crate::metrics::GaugeGuard;

/// The only field of the subscription root.
const MESSAGE_EVENTS: &str = "messageEvents";

/// An event whose text is replaced meanwhile is rendered at most this many times.
const MAX_RENDERINGS: usize = 3;

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
        let arguments = Arguments::read(&executable, &parameters, context.resume_after).ok_or_else(Answer::fault)?;
        let operation = Operation::new(&parameters, document, executable);
        let too_many = |exceeded| too_many_subscriptions(exceeded, "distinct subscriptions");
        let operation = self.renderings.share(operation, client).map_err(too_many)?;
        drop(parameters);
        let key = RoomKey { id: &arguments.room_id, code: &arguments.room_code };
        let followed = timeout(self.time_limit, self.chat.follow(client, key, arguments.after.as_deref())).await;
        let (start, mut follower) = followed
            .map_err(|_| Answer::timed_out())?
            .map_err(|error| Answer::refused_subscription(error, arguments.position, &arguments.response_key))?;
        let renderings = self.renderings.clone();
        let turns = renderings.turns().of(follower.room());
        let held = GaugeGuard::new(&self.metrics.subscriptions(context.transport));
        let deliveries = async_stream::stream! {
            let _held = (held, permit);
            while let Some(event) = follower.next().await {
                let event = match event {
                    Ok(event) => event,
                    Err(error) => {
                        yield lost(error);
                        continue;
                    }
                };
                if !matches!(event.kind, EventKind::Sent(_) | EventKind::Edited(_) | EventKind::Deleted(_)) {
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

/// The arguments of `messageEvents`.
struct Arguments {
    room_id: String,
    room_code: String,
    after: Option<String>,
    /// Where the field stands in the document, and its key in the response.
    position: Pos,
    response_key: String,
}

impl Arguments {
    /// Reads the arguments. The document is valid and its values are coerced, so `None` means a defect of the server.
    fn read(document: &ExecutableDocument, parameters: &Parameters, resume_after: Option<String>) -> Option<Self> {
        let operation = operation_of(document, None)?;
        let Selection::Field(Positioned { pos: position, node: field }) =
            &operation.selection_set.node.items.first()?.node
        else {
            return None;
        };
        if field.name.node != MESSAGE_EVENTS {
            return None;
        }
        let text = |name| {
            let argument = Argument::of(field, name)?;
            argument.string(parameters.variables.as_ref()).map(str::to_owned)
        };
        Some(Self {
            room_id: text("roomId")?,
            room_code: text("roomCode")?,
            after: resume_after.or_else(|| text("after")),
            position: *position,
            response_key: field.response_key().node.to_string(),
        })
    }
}

/// Renders an event. Its message may change while the rendering waits for its turn, so the event is read again afterwards;
/// `None` if the follower has to return it once more.
async fn render(
    renderings: &Renderings,
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

/// The end of a subscription whose follower failed.
fn lost(error: ChatError) -> Delivery {
    let error = chat_error(error).into_server_error(Pos::default());
    Delivery::Failure(Box::new(Answer::from(Response::from_errors(vec![error]))))
}
