//! Running a request, whatever transport it came by: to an answer, or to a stream of rendered events.
//!
//! A subscription is opened once for each subscriber: its document is checked, and its resolver authorises the reader
//! and hands out the room's events. What an event looks like in that operation is the business of `rendering`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Request, Response, ValidationMode, Variables};
use futures_util::FutureExt as _;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde_json::{Map, Value};
use tokio::time::timeout;

use crate::chat::{Chat, ChatError, Follower};
use crate::client_limit::{ClientLimit, Exceeded};
use crate::domain::client_key::ClientKey;
use crate::domain::event::Event;
use crate::graphql::execution::catch_panic;
use crate::graphql::execution::document::{Document, Documents, Limits, Refusal, Types};
use crate::graphql::execution::metrics::{self, Numbers};
use crate::graphql::execution::persisted_queries::PersistedQueries;
use crate::graphql::execution::render_turns::RoomTurns;
use crate::graphql::execution::rendering::{Operation, Rendering, Renderings};
use crate::graphql::execution::response::Answer;
use crate::graphql::execution::response_budget::ResponseBudget;
use crate::graphql::execution::schema_errors;
use crate::graphql::schema::error::chat_error;
use crate::graphql::schema::reads::Reads;
use crate::graphql::schema::subscription::Opening;
use crate::graphql::{Schema, schema, sdl};
use crate::metrics::{Held, Metrics};
use crate::unsent_bytes::UnsentBytes;

/// The parameters of a request, as every transport carries them.
#[derive(Clone)]
pub struct Parameters {
    /// The document; empty when there is only the hash of it.
    pub query: String,
    pub operation_name: Option<String>,
    pub variables: Option<Map<String, Value>>,
    /// `extensions.persistedQuery`. Nothing else of the extensions is looked at.
    pub persisted_query: Option<Value>,
    /// A cursor among the parameters.
    pub resume_after: Option<String>,
}

impl Parameters {
    pub fn new(query: String, operation_name: Option<String>, variables: Option<Map<String, Value>>) -> Self {
        Self { query, operation_name, variables, persisted_query: None, resume_after: None }
    }

    pub(in crate::graphql) fn request(&self) -> Request {
        let variables = Value::Object(self.variables.clone().unwrap_or_default());
        let mut request = Request::new(&self.query).variables(Variables::from_json(variables));
        request.operation_name.clone_from(&self.operation_name);
        request
    }
}

/// Hides what was asked: documents and variables hold codes, tokens and texts.
impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Parameters({} bytes of a document)", self.query.len())
    }
}

/// In a request's data: it came by HTTP GET, so it must not change anything.
pub(in crate::graphql) struct OverGet;

/// What carries the answer, or the events, of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// One HTTP answer.
    Http,
    WebSocket,
    EventStream,
    Multipart,
}

impl Carrier {
    pub(in crate::graphql) const ALL: [Self; 4] = [Self::Http, Self::WebSocket, Self::EventStream, Self::Multipart];

    pub(in crate::graphql) const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::EventStream => "sse",
            Self::Multipart => "multipart",
        }
    }
}

/// What a transport knows of a request besides its parameters.
#[derive(Clone, Debug)]
pub struct Circumstances {
    /// Who asks.
    pub client: ClientKey,
    pub carrier: Carrier,
    /// It came by HTTP GET, so it must not change anything.
    pub over_get: bool,
    /// A cursor that the transport carried; goes before the one among the arguments.
    pub resume_after: Option<String>,
}

/// What a request leads to.
pub enum Outcome {
    Answer(Answer),
    Events(Events),
}

/// An open subscription.
pub struct Events {
    /// The cursor it begins behind; none when it has no events at all.
    pub start: Option<String>,
    pub deliveries: BoxStream<'static, Delivery>,
}

/// What a subscription tells.
pub enum Delivery {
    Event(Arc<Rendering>),
    /// The subscription ends with this.
    Failure(Box<Answer>),
}

/// How often an event is rendered again because its text was replaced meanwhile.
const RENDERED_AGAIN: usize = 3;

/// How many subscriptions may be open.
#[derive(Clone, Copy, Debug)]
pub struct SubscriptionLimits {
    pub total: usize,
    pub per_client: usize,
    /// Subscriptions that are rendered each by itself, longer documents counting as several.
    pub distinct: usize,
    pub distinct_per_client: usize,
}

/// How much may be asked for, and be under way at once.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Queries and mutations, of which one client alone may have three quarters.
    pub max_in_flight: usize,
    /// How long a query or a mutation may take, and the opening of a subscription.
    pub time_limit: Duration,
    /// Bytes of a response, at most.
    pub response_max: usize,
    pub subscriptions: SubscriptionLimits,
    pub limits: Limits,
    /// Whether documents may be named by their hash.
    pub persisted_queries: bool,
}

/// Runs requests.
#[derive(Clone)]
pub struct Operations {
    chat: Chat,
    schema: Schema,
    /// Finds out whether documents are valid, and executes nothing.
    validator: Schema,
    documents: Documents,
    persisted_queries: PersistedQueries,
    renderings: Renderings,
    /// Subscriptions that are open.
    subscriptions: Arc<ClientLimit>,
    in_flight: Arc<ClientLimit>,
    time_limit: Duration,
    response_max: usize,
    unsent: UnsentBytes,
    numbers: Numbers,
}

impl Operations {
    /// `unsent` counts responses until they have been sent.
    pub fn new(chat: Chat, settings: Settings, unsent: UnsentBytes, metrics: &Metrics) -> Self {
        let introspection = settings.limits.introspection;
        let validator = schema(chat.clone(), introspection, ValidationMode::Strict);
        // Documents have been validated before they get here.
        let schema = schema(chat.clone(), introspection, ValidationMode::Fast);
        let numbers = Numbers::new(metrics);
        let SubscriptionLimits { total, per_client, distinct, distinct_per_client } = settings.subscriptions;
        let distinct = ClientLimit::new(distinct_per_client, distinct);
        let renderings = Renderings::new(schema.clone(), distinct, settings.response_max, numbers.renderings.clone());
        let in_flight = ClientLimit::shared(usize::MAX, settings.max_in_flight);
        Self {
            chat,
            schema,
            validator,
            documents: Documents::new(settings.limits, Types::read(&sdl())),
            persisted_queries: PersistedQueries::new(settings.persisted_queries),
            renderings,
            subscriptions: ClientLimit::new(per_client, total),
            in_flight,
            time_limit: settings.time_limit,
            response_max: settings.response_max,
            unsent,
            numbers,
        }
    }

    /// What this wire counts.
    pub(in crate::graphql) const fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Counts what waits to be sent.
    pub(in crate::graphql) const fn unsent(&self) -> &UnsentBytes {
        &self.unsent
    }

    /// Runs a request, or says why not.
    pub async fn run(&self, parameters: Parameters, circumstances: Circumstances) -> Outcome {
        let (begun, mut name) = (Instant::now(), metrics::NONE);
        let outcome = catch_panic::caught_in_answer(self.execute(parameters, circumstances, &mut name)).await;
        self.numbers.tell(name, &outcome, begun.elapsed());
        outcome
    }

    /// Runs a request, and says by which `name` it is counted once that is known.
    async fn execute(
        &self,
        mut parameters: Parameters,
        mut circumstances: Circumstances,
        name: &mut &'static str,
    ) -> Outcome {
        let mut unkept = None;
        if let Some(extension) = parameters.persisted_query.take() {
            match self.persisted_queries.resolve(&extension, &mut parameters.query) {
                Ok(hash) => unkept = hash,
                Err(problem) => return Outcome::Answer(Answer::not_persisted(problem)),
            }
        }
        let document = match self.documents.read(&parameters.query) {
            Ok(document) => document,
            Err(refusal) => return Outcome::Answer(Answer::refused_document(&refusal)),
        };
        let operation = document.operation(parameters.operation_name.as_deref());
        *name = metrics::name_of(document.parsed(), operation);
        let kind = operation.map(|operation| operation.ty);
        if circumstances.over_get && kind == Some(OperationType::Mutation) {
            return Outcome::Answer(Answer::mutation_over_get());
        }
        let admitted = document.admit(operation, parameters.variables.as_ref(), self.documents.limits());
        if let Err(answer) =
            admitted.map_err(|refusal| Answer::refused_document(&refusal)).and_then(|()| self.validate(&document))
        {
            return Outcome::Answer(answer);
        }
        if let Some(hash) = unkept {
            self.persisted_queries.keep(hash, &parameters.query);
        }
        // What the transport knows is newer than what the request repeats.
        circumstances.resume_after = circumstances.resume_after.or(parameters.resume_after.take());
        if circumstances.resume_after.is_some() && kind.is_some_and(|kind| kind != OperationType::Subscription) {
            let sentence = "a cursor came with an operation that has no events; send it with a subscription";
            return Outcome::Answer(Answer::refused("CURSOR_INVALID", sentence));
        }
        if let Some(operation) = operation {
            match self.documents.coerce(&document, operation, parameters.variables.take()) {
                Ok(variables) => parameters.variables = Some(variables),
                Err(refusal) => return Outcome::Answer(Answer::refused_document(&refusal)),
            }
        }
        if kind == Some(OperationType::Subscription) {
            return self.subscribe(parameters, &document, operation, circumstances).await;
        }
        if let Some(query) = operation.filter(|operation| operation.ty == OperationType::Query) {
            let cost = document.cost(query, parameters.variables.as_ref());
            if let Err(refused) = self.chat.charge_read(circumstances.client, cost) {
                return Outcome::Answer(Answer::rate_limited(refused));
            }
        }
        let is_change = kind == Some(OperationType::Mutation);
        let budget = ResponseBudget::new(self.response_max, &self.unsent, circumstances.client, is_change);
        if is_change && let Err(refusal) = budget.reserve(self.repeated(&parameters, document.aliases())) {
            return Outcome::Answer(Answer::over_budget(refusal));
        }
        let answer = async {
            let plan = document.plan().filter(|_| operation.is_some());
            if let Some(plan) = plan
                && let Some(answer) =
                    plan.run(&self.chat, circumstances.client, parameters.variables.as_ref(), &budget).await
            {
                return answer;
            }
            let executable = match executable(&document, operation, &parameters) {
                Ok(executable) => executable,
                Err(refusal) => return Answer::refused_document(&refusal),
            };
            // In a box, as the short way would otherwise carry the room for all of this along.
            let request = request(&parameters, executable, &circumstances).data(budget.clone());
            let mut response = Box::pin(self.schema.execute(request)).await;
            schema_errors::name(&mut response.errors);
            if operation.is_some() && response.is_ok() {
                document.proved(self.documents.limits());
            }
            Answer::executed(response, &budget)
        };
        // In a box, as all that is around it would otherwise carry its size along, on the stack of a worker.
        let answer = Box::pin(timeout(self.time_limit, answer));
        Outcome::Answer(match self.in_flight.run(circumstances.client, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Answer::timed_out()),
            Err(_) => Answer::overloaded(),
        })
    }

    /// Finds out whether a document is valid, whatever its variables are.
    fn validate(&self, document: &Document) -> Result<(), Answer> {
        document.validate(|parsed| self.ask_validator(parsed), Answer::refused_document)
    }

    /// Has the schema validate a document. It does so before it looks for the operation, so asking for one that no document
    /// can have leads no further.
    fn ask_validator(&self, document: &ExecutableDocument) -> Result<(), Answer> {
        let mut request = Request::new("").operation_name(NO_OPERATION);
        request.set_parsed_query(document.clone());
        // Validation waits for nothing.
        let mut response = Box::pin(self.validator.execute(request)).now_or_never().unwrap_or_default();
        match &response.errors[..] {
            [error] if error.message == format!("Unknown operation named \"{NO_OPERATION}\"") => Ok(()),
            [] => Err(Answer::fault()),
            _ => {
                schema_errors::name(&mut response.errors);
                Err(Answer::from(response))
            }
        }
    }

    /// About how many bytes the result of a change may repeat, beyond once: what was sent with it, or the text of an earlier
    /// send that it turns out to be.
    fn repeated(&self, parameters: &Parameters, aliases: u32) -> usize {
        if aliases == 0 {
            return 0;
        }
        let variables = parameters.variables.as_ref().and_then(|values| serde_json::to_string(values).ok());
        let sent =
            [&parameters.query, &variables.unwrap_or_default()].map(|part| (part.len(), part.contains(REPEATABLE)));
        let earlier = if sent.iter().any(|(_, is_repeatable)| *is_repeatable) { self.chat.longest_text() } else { 0 };
        let sent: usize = sent.iter().map(|(length, _)| length).sum();
        (sent + earlier).saturating_mul(aliases as usize)
    }

    async fn subscribe(
        &self,
        parameters: Parameters,
        document: &Document,
        operation: Option<&OperationDefinition>,
        circumstances: Circumstances,
    ) -> Outcome {
        let client = circumstances.client;
        let permit = match self.subscriptions.acquire(Some(client), 1) {
            Ok(permit) => permit,
            Err(exceeded) => return Outcome::Answer(too_many_subscriptions(exceeded, "subscriptions")),
        };
        let executable = match executable(document, operation, &parameters) {
            Ok(executable) => executable,
            Err(refusal) => return Outcome::Answer(Answer::refused_document(&refusal)),
        };
        let request = request(&parameters, executable.clone(), &circumstances);
        let operation = match self.renderings.share(Operation::new(&parameters, document, executable), client) {
            Ok(operation) => operation,
            Err(exceeded) => return Outcome::Answer(too_many_subscriptions(exceeded, "distinct subscriptions")),
        };
        drop(parameters);
        let opening = Opening::new(circumstances.resume_after);
        let mut opened = self.schema.execute_stream(request.data(opening.clone()));
        let Ok(refused) = timeout(self.time_limit, opened.next()).await else {
            return Outcome::Answer(Answer::timed_out());
        };
        let following = match (refused, opening.take()) {
            (Some(mut refused), _) => {
                schema_errors::name(&mut refused.errors);
                return Outcome::Answer(Answer::refused_subscription(refused));
            }
            (None, Some(following)) => following,
            // It has one field, and that one either fails or leaves what can be followed.
            (None, None) => return Outcome::Answer(Answer::fault()),
        };
        let (renderings, mut follower) = (self.renderings.clone(), following.follower);
        let turns = renderings.turns().of(follower.room());
        let held = Held::by(&self.numbers.subscriptions(circumstances.carrier));
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
                if let Some(rendering) = operation.recent(&event) {
                    yield Delivery::Event(rendering);
                    continue;
                }
                // In a box, as every subscription would otherwise keep room for an execution.
                if let Some(delivery) = Box::pin(render(&renderings, &operation, &turns, event, &mut follower)).await {
                    yield delivery;
                }
            }
        };
        let deliveries = catch_panic::caught_in_events(deliveries).boxed();
        Outcome::Events(Events { start: Some(following.start), deliveries })
    }
}

/// The name of an operation that no document has: there is a space in it.
const NO_OPERATION: &str = "no operation";

/// The field of its input with which a send may be a repeat of an earlier one.
const REPEATABLE: &str = "clientMessageId";

/// What the schema executes of a document.
fn executable(
    document: &Document,
    operation: Option<&OperationDefinition>,
    parameters: &Parameters,
) -> Result<ExecutableDocument, Refusal> {
    match (operation, &parameters.variables) {
        (Some(operation), Some(variables)) => {
            document.executable(operation, parameters.operation_name.as_deref(), variables)
        }
        // The schema says that there is no such operation.
        _ => Ok(document.parsed().clone()),
    }
}

/// A request as the schema takes it.
fn request(parameters: &Parameters, executable: ExecutableDocument, circumstances: &Circumstances) -> Request {
    let mut request = parameters.request().data(circumstances.client).data(Reads::default());
    request.set_parsed_query(executable);
    if circumstances.over_get { request.data(OverGet) } else { request }
}

/// Renders an event. Its message may change until its turn has come, so it is looked at again; `None` when the follower has to
/// give it once more.
async fn render(
    renderings: &Renderings,
    operation: &Arc<Operation>,
    turns: &RoomTurns,
    mut event: Arc<Event>,
    follower: &mut Follower,
) -> Option<Delivery> {
    for attempt in 1_usize.. {
        let rendering = match renderings.of(operation, turns, Arc::clone(&event)).await {
            Ok(rendering) => rendering,
            Err(failure) => return Some(Delivery::Failure(Box::new(failure))),
        };
        let now = follower.refresh(&event)?;
        // A text that is replaced again and again is shown as it was a moment ago; one that was deleted is not.
        let is_good = Arc::ptr_eq(&now, &event) || (attempt >= RENDERED_AGAIN && now.message.text.is_some());
        if is_good {
            return Some(Delivery::Event(rendering));
        }
        event = now;
    }
    None
}

/// A subscription that is refused for those that are open.
fn too_many_subscriptions(exceeded: Exceeded, of_what: &str) -> Answer {
    match exceeded {
        Exceeded::PerClient => {
            let sentence = format!("this client has as many {of_what} as it may; end one first");
            Answer::refused("TOO_MANY_SUBSCRIPTIONS", sentence)
        }
        Exceeded::Total => Answer::overloaded(),
    }
}

fn lost(error: ChatError) -> Delivery {
    let error = chat_error(error).into_server_error(async_graphql::Pos::default());
    Delivery::Failure(Box::new(Answer::from(Response::from_errors(vec![error]))))
}
