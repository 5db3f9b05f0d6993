//! Runs a request, whatever transport it came by: checks the document against the limits, then answers on the fast path, by
//! the schema, or by opening a subscription.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Request, ValidationMode};
use futures_util::FutureExt as _;
use tokio::time::timeout;
use tracing::{Instrument as _, debug_span};

use crate::chat::Chat;
use crate::client_limit::ClientLimit;
use crate::error_code::ErrorCode;
use crate::graphql::execution::catch_panic;
use crate::graphql::execution::document::{Document, Documents, Limits, Rejection, Types};
use crate::graphql::execution::metrics::{self, GraphqlMetrics};
use crate::graphql::execution::outcome::Outcome;
use crate::graphql::execution::persisted_queries::PersistedQueries;
use crate::graphql::execution::rendering::Renderings;
use crate::graphql::execution::request::{Parameters, RequestContext};
use crate::graphql::execution::response::Answer;
use crate::graphql::execution::schema_errors;
use crate::graphql::execution::subscriptions::{SubscriptionLimits, Subscriptions};
use crate::graphql::schema::reads::Reads;
use crate::graphql::schema::request_data::OverGet;
use crate::graphql::schema::response_budget::ResponseBudget;
use crate::graphql::schema::{self, Schema};
use crate::metrics::Metrics;
use crate::unsent_bytes::UnsentBytes;

/// How much a request may ask for, and how many may run at once.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Queries and mutations that run at once. One client may have three quarters of them.
    pub max_in_flight: usize,
    /// How long a query or a mutation may take, and opening a subscription.
    pub time_limit: Duration,
    /// Maximum size of a response, in bytes.
    pub response_max: usize,
    pub subscriptions: SubscriptionLimits,
    pub limits: Limits,
    /// Whether documents may be named by their hash.
    pub persisted_queries: bool,
}

/// Runs requests.
#[derive(Clone)]
pub struct Executor {
    chat: Chat,
    schema: Schema,
    /// Validates documents and executes nothing.
    validator: Schema,
    documents: Documents,
    persisted_queries: PersistedQueries,
    subscriptions: Subscriptions,
    in_flight: Arc<ClientLimit>,
    time_limit: Duration,
    response_max: usize,
    unsent: UnsentBytes,
    metrics: GraphqlMetrics,
}

impl Executor {
    /// An executor over `chat`. `unsent` counts responses until they have been sent.
    pub fn new(chat: Chat, settings: Settings, unsent: UnsentBytes, metrics: &Metrics) -> Self {
        let introspection = settings.limits.introspection;
        let metrics = GraphqlMetrics::new(metrics);
        let limits = settings.subscriptions;
        let distinct = ClientLimit::new(limits.distinct_per_client, limits.distinct);
        let renderings = Renderings::new(introspection, distinct, settings.response_max, metrics.renderings.clone());
        let time_limit = settings.time_limit;
        Self {
            schema: schema(&chat, introspection, ValidationMode::Fast),
            validator: schema(&chat, introspection, ValidationMode::Strict),
            documents: Documents::new(settings.limits, Types::read(&schema::sdl())),
            persisted_queries: PersistedQueries::new(settings.persisted_queries),
            subscriptions: Subscriptions::new(chat.clone(), renderings, limits, time_limit, metrics.clone()),
            in_flight: ClientLimit::shared(usize::MAX, settings.max_in_flight),
            time_limit,
            response_max: settings.response_max,
            chat,
            unsent,
            metrics,
        }
    }

    pub(in crate::graphql) const fn metrics(&self) -> &GraphqlMetrics {
        &self.metrics
    }

    /// Counts the bytes of responses that wait to be sent.
    pub(in crate::graphql) const fn unsent(&self) -> &UnsentBytes {
        &self.unsent
    }

    /// Runs a request. An invalid or refused request has an outcome, too.
    pub async fn run(&self, parameters: Parameters, context: RequestContext) -> Outcome {
        let (begun, mut name) = (Instant::now(), metrics::NONE);
        let outcome = catch_panic::catch_in_outcome(self.execute(parameters, context, &mut name)).await;
        self.metrics.record(name, &outcome, begun.elapsed());
        outcome
    }

    /// Runs a request, and sets the `name` by which it is counted as soon as that is known.
    async fn execute(
        &self,
        mut parameters: Parameters,
        mut context: RequestContext,
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
            Err(rejection) => return Outcome::Answer(Answer::rejected_document(&rejection)),
        };
        let operation = document.operation(parameters.operation_name.as_deref());
        *name = metrics::name_of(document.parsed(), operation);
        let kind = operation.map(|operation| operation.ty);
        if context.over_get && kind == Some(OperationType::Mutation) {
            return Outcome::Answer(Answer::mutation_over_get());
        }
        let admitted = document.admit(operation, parameters.variables.as_ref(), self.documents.limits());
        if let Err(answer) =
            admitted.map_err(|rejection| Answer::rejected_document(&rejection)).and_then(|()| self.validate(&document))
        {
            return Outcome::Answer(answer);
        }
        if let Some(hash) = unkept {
            self.persisted_queries.keep(hash, &parameters.query);
        }
        // The transport's cursor is newer than one in the request, which clients repeat unchanged.
        context.resume_after = context.resume_after.or(parameters.resume_after.take());
        if context.resume_after.is_some() && kind.is_some_and(|kind| kind != OperationType::Subscription) {
            let message = "a cursor came with an operation that has no events; send it with a subscription";
            return Outcome::Answer(Answer::refused(ErrorCode::CursorInvalid, message));
        }
        if let Some(operation) = operation {
            match self.documents.coerce(&document, operation, parameters.variables.take()) {
                Ok(variables) => parameters.variables = Some(variables),
                Err(rejection) => return Outcome::Answer(Answer::rejected_document(&rejection)),
            }
        }
        if kind == Some(OperationType::Subscription) {
            return match executable(&document, operation, &parameters) {
                // Boxed, or requests that open nothing would carry the memory of it.
                Ok(executable) => Box::pin(self.subscriptions.open(parameters, &document, executable, context)).await,
                Err(rejection) => Outcome::Answer(Answer::rejected_document(&rejection)),
            };
        }
        Outcome::Answer(self.answer(parameters, &document, operation, &context).await)
    }

    /// Runs a query or a mutation that is valid and within the limits.
    async fn answer(
        &self,
        parameters: Parameters,
        document: &Document,
        operation: Option<&OperationDefinition>,
        context: &RequestContext,
    ) -> Answer {
        if let Some(query) = operation.filter(|operation| operation.ty == OperationType::Query) {
            let cost = document.cost(query, parameters.variables.as_ref());
            if let Err(limited) = self.chat.charge_read(context.client, cost) {
                return Answer::rate_limited(limited);
            }
        }
        let is_mutation = operation.is_some_and(|operation| operation.ty == OperationType::Mutation);
        let budget = ResponseBudget::new(self.response_max, &self.unsent, context.client, is_mutation);
        if is_mutation && let Err(exceeded) = budget.reserve(self.repeated_bytes(&parameters, document.aliases())) {
            return Answer::over_budget(exceeded);
        }
        let answer = async {
            let plan = document.plan().filter(|_| operation.is_some());
            if let Some(plan) = plan
                // Boxed, because the span moves what it surrounds.
                && let Some(answer) =
                    Box::pin(plan.run(&self.chat, context.client, parameters.variables.as_ref(), &budget))
                        .instrument(debug_span!("fast_path"))
                        .await
            {
                self.metrics.fast_answers.inc();
                return answer;
            }
            let executable = match executable(document, operation, &parameters) {
                Ok(executable) => executable,
                Err(rejection) => return Answer::rejected_document(&rejection),
            };
            // Boxed, or the fast path would carry the memory of a full execution.
            let request = request(&parameters, executable, context).data(budget.clone());
            self.metrics.schema_answers.inc();
            let mut response = Box::pin(self.schema.execute(request).instrument(debug_span!("schema"))).await;
            schema_errors::set_codes(&mut response.errors);
            if operation.is_some() && response.is_ok() {
                document.mark_executed(self.documents.limits());
            }
            Answer::executed(response, &budget)
        };
        // Boxed, or all surrounding futures would carry its size on the stack of a worker.
        let answer = Box::pin(timeout(self.time_limit, answer));
        match self.in_flight.run(context.client, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Answer::timed_out()),
            Err(_) => Answer::overloaded(),
        }
    }

    /// Checks whether a document is valid, whatever its variables are.
    fn validate(&self, document: &Document) -> Result<(), Answer> {
        document.validate(|parsed| self.validate_in_schema(parsed), Answer::rejected_document)
    }

    /// Has the schema validate a document. The schema validates before it looks for the operation, so it executes nothing
    /// when it is asked for an operation that no document can have.
    fn validate_in_schema(&self, document: &ExecutableDocument) -> Result<(), Answer> {
        let mut request = Request::new("").operation_name(NO_OPERATION);
        request.set_parsed_query(document.clone());
        // Validation does not wait for anything.
        let mut response = Box::pin(self.validator.execute(request)).now_or_never().unwrap_or_default();
        match &response.errors[..] {
            [error] if error.message == format!("Unknown operation named \"{NO_OPERATION}\"") => Ok(()),
            [] => Err(Answer::fault()),
            _ => {
                schema_errors::set_codes(&mut response.errors);
                Err(Answer::from(response))
            }
        }
    }

    /// Estimates how many bytes the result of a mutation may repeat, beyond once: the input, or the text of an earlier send if
    /// this one turns out to be a repeat.
    fn repeated_bytes(&self, parameters: &Parameters, aliases: u32) -> usize {
        if aliases == 0 {
            return 0;
        }
        let variables = parameters.variables.as_ref().and_then(|values| serde_json::to_string(values).ok());
        let inputs =
            [&parameters.query, &variables.unwrap_or_default()].map(|part| (part.len(), part.contains(REPEATABLE)));
        let earlier =
            if inputs.iter().any(|(_, is_repeatable)| *is_repeatable) { self.chat.max_text_bytes() } else { 0 };
        let sent: usize = inputs.iter().map(|(length, _)| length).sum();
        (sent + earlier).saturating_mul(aliases as usize)
    }
}

/// The name of an operation that no document has, because it contains a space.
const NO_OPERATION: &str = "no operation";

/// The input field that makes a send repeatable.
const REPEATABLE: &str = "clientMessageId";

/// The schema as requests need it: their documents have been checked before. Suggestions for misspelled names reveal the
/// schema, so they are off where introspection is.
fn schema(chat: &Chat, introspection: bool, validation: ValidationMode) -> Schema {
    let builder = schema::builder(chat.clone()).validation_mode(validation).limit_recursive_depth(usize::MAX);
    match introspection {
        true => builder.finish(),
        false => builder.disable_introspection().disable_suggestions().finish(),
    }
}

/// The part of a document that is executed.
fn executable(
    document: &Document,
    operation: Option<&OperationDefinition>,
    parameters: &Parameters,
) -> Result<ExecutableDocument, Rejection> {
    match (operation, &parameters.variables) {
        (Some(operation), Some(variables)) => {
            document.executable(operation, parameters.operation_name.as_deref(), variables)
        }
        // The schema reports that there is no such operation.
        _ => Ok(document.parsed().clone()),
    }
}

/// The request for the schema.
fn request(parameters: &Parameters, executable: ExecutableDocument, context: &RequestContext) -> Request {
    let mut request = parameters.to_request().data(context.client).data(Reads::default());
    request.set_parsed_query(executable);
    if context.over_get { request.data(OverGet) } else { request }
}
