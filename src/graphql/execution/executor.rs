//! Runs a request, whatever transport it came by: checks the document against the limits, then answers on the fast path, by
//! the schema, or by opening a subscription.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_graphql::parser::types::{ExecutableDocument, OperationDefinition, OperationType};
use async_graphql::{Request, ValidationMode, Variables};
use serde_json::Value;
use tokio::time::timeout;
use tracing::{Instrument as _, debug_span};

use crate::chat::Chat;
use crate::client_limit::ClientLimit;
use crate::error_code::ErrorCode;
use crate::graphql::execution::document::{Document, Documents, Limits};
use crate::graphql::execution::event_schema::event_schema;
use crate::graphql::execution::fast_path::RenderedMessages;
use crate::graphql::execution::metrics::{self, GraphqlMetrics};
use crate::graphql::execution::outcome::{self, Outcome};
use crate::graphql::execution::persisted_queries::{Hash, PersistedQueries};
use crate::graphql::execution::rendering::Renderings;
use crate::graphql::execution::request::{Parameters, RequestContext};
use crate::graphql::execution::response::Answer;
use crate::graphql::execution::schema_errors;
use crate::graphql::execution::subscriptions::{SubscriptionLimits, Subscriptions};
use crate::graphql::execution::trusted_documents::TrustedDocuments;
use crate::graphql::execution::validator::Validator;
use crate::graphql::schema::reads::Reads;
use crate::graphql::schema::request_data::OverGet;
use crate::graphql::schema::response_budget::ResponseBudget;
use crate::graphql::schema::{self, Schema};
use crate::metrics::Metrics;
use crate::unsent_bytes::UnsentBytes;

/// How much a request may ask for, and how many may run at once.
#[derive(Clone, Debug)]
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
    /// The only documents that may run, if the operator has listed them.
    pub trusted_documents: Option<TrustedDocuments>,
}

/// Runs requests.
#[derive(Clone)]
pub struct Executor {
    chat: Chat,
    schema: Schema,
    validator: Validator,
    rendered_messages: RenderedMessages,
    documents: Documents,
    persisted_queries: PersistedQueries,
    /// `None` if any document may run.
    trusted_documents: Option<TrustedDocuments>,
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
        let limits = settings.subscriptions;
        let distinct = ClientLimit::new(limits.distinct_per_client, limits.distinct);
        let open = ClientLimit::new(limits.per_client, limits.total);
        let in_flight = ClientLimit::shared(usize::MAX, settings.max_in_flight);
        for (name, limit) in
            [("operations", &in_flight), ("subscriptions", &open), ("distinct_subscriptions", &distinct)]
        {
            limit.register(name, metrics);
        }
        unsent.register(metrics);
        let metrics = GraphqlMetrics::new(metrics, settings.trusted_documents.as_ref().map(TrustedDocuments::len));
        let events = event_schema(introspection).data(chat.clone());
        let (max, made) = (settings.response_max, metrics.renderings.clone());
        let renderings = Renderings::new(events, introspection, distinct, max, made);
        let time_limit = settings.time_limit;
        Self {
            schema: schema::finish(schema::builder(chat.clone()).validation_mode(ValidationMode::Fast), introspection),
            rendered_messages: RenderedMessages::new(),
            validator: Validator::new(introspection),
            documents: Documents::new(settings.limits),
            persisted_queries: PersistedQueries::new(settings.persisted_queries),
            trusted_documents: settings.trusted_documents,
            subscriptions: Subscriptions::new(chat.clone(), renderings, open, time_limit, metrics.clone()),
            in_flight,
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
        let outcome = outcome::catch_panic(self.execute(parameters, context, &mut name)).await;
        self.metrics.record(name, &outcome, begun.elapsed());
        outcome
    }

    /// Runs a request, and sets the `name` by which it is counted as soon as that is known.
    async fn execute(
        &self,
        mut parameters: Parameters,
        mut context: RequestContext,
        name: &mut &'static str,
    ) -> Result<Outcome, Answer> {
        let (document, sent_with_hash) = self.find_document(&mut parameters)?;
        let operation = document.operation(parameters.operation_name.as_deref());
        *name = metrics::name_of(&document.parsed, operation);
        let kind = operation.map(|operation| operation.ty);
        if context.over_get && kind == Some(OperationType::Mutation) {
            return Err(Answer::mutation_over_get());
        }
        document.admit(operation, parameters.variables.as_ref(), &self.documents.limits)?;
        self.validator.validate(&document)?;
        if let Some(hash) = sent_with_hash {
            self.persisted_queries.keep(hash, &parameters.query);
        }
        // The transport's cursor is newer than one in the request, which clients repeat unchanged.
        context.resume_after = context.resume_after.or(parameters.resume_after.take());
        if context.resume_after.is_some() && kind.is_some_and(|kind| kind != OperationType::Subscription) {
            let message = "a cursor came with an operation that has no events; send it with a subscription";
            return Err(Answer::refused(ErrorCode::CursorInvalid, message));
        }
        if let Some(operation) = operation {
            parameters.variables = Some(document.coerce(operation, parameters.variables.take())?);
        }
        if kind == Some(OperationType::Subscription) {
            // Boxed, or requests that open nothing would reserve memory for it.
            return Box::pin(self.subscriptions.open(parameters, &document, operation, context)).await;
        }
        self.answer(parameters, &document, operation, &context).await.map(Outcome::Answer)
    }

    /// Runs a query or a mutation that is valid and within the limits.
    async fn answer(
        &self,
        parameters: Parameters,
        document: &Document,
        operation: Option<&OperationDefinition>,
        context: &RequestContext,
    ) -> Result<Answer, Answer> {
        if let Some(query) = operation.filter(|operation| operation.ty == OperationType::Query) {
            let cost = document.cost(query, parameters.variables.as_ref());
            self.chat.charge_read(context.client, cost).map_err(Answer::rate_limited)?;
        }
        let is_mutation = operation.is_some_and(|operation| operation.ty == OperationType::Mutation);
        let budget = ResponseBudget::new(self.response_max, &self.unsent, context.client, is_mutation);
        if is_mutation {
            let repeated = self.repeated_bytes(&parameters, document.aliases);
            budget.reserve(repeated).map_err(Answer::over_budget)?;
        }
        let answer = async {
            if let Some(plan) = document.plan().filter(|_| operation.is_some()) {
                let variables = parameters.variables.as_ref();
                let run = plan.run(&self.chat, context.client, variables, &budget, &self.rendered_messages);
                // Boxed, because the span moves what it surrounds.
                if let Some(answer) = Box::pin(run).instrument(debug_span!("fast_path")).await {
                    self.metrics.answers.fast.inc();
                    return Ok(answer);
                }
            }
            // Boxed, or the fast path would reserve memory for a full execution.
            let executable = document.prepare(operation, parameters.variables.as_ref())?;
            let mut request = request(&parameters, executable, context).data(budget.clone());
            if operation.is_none() {
                // The schema reports that there is no such operation.
                request.operation_name.clone_from(&parameters.operation_name);
            }
            self.metrics.answers.schema.inc();
            let mut response = Box::pin(self.schema.execute(request).instrument(debug_span!("schema"))).await;
            schema_errors::set_codes(&mut response.errors);
            if operation.is_some() && response.is_ok() {
                document.mark_executed(&self.documents.limits);
            }
            Ok(Answer::executed(response, &budget))
        };
        // Boxed, or all surrounding futures would carry its size on the stack of a worker.
        let answer = Box::pin(timeout(self.time_limit, answer));
        match self.in_flight.run(context.client, answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(Answer::timed_out())),
            Err(_) => Err(Answer::overloaded()),
        }
    }

    /// Finds the document of a request, and its text for a request without one. Also returns the hash under which a document that
    /// was sent may be cached.
    fn find_document(&self, parameters: &mut Parameters) -> Result<(Arc<Document>, Option<Hash>), Answer> {
        if let Some(trusted) = &self.trusted_documents {
            let found = trusted.find(parameters).ok_or_else(Answer::not_trusted)?;
            parameters.query.clone_from(&found.text);
            return Ok((Arc::clone(&found.document), None));
        }
        let mut sent_with_hash = None;
        if let Some(extension) = parameters.persisted_query.take() {
            let resolved = self.persisted_queries.resolve(&extension, &mut parameters.query);
            sent_with_hash = resolved.map_err(Answer::not_persisted)?;
        } else if parameters.query.is_empty() && parameters.document_id.is_some() {
            let message = "this server knows no documents by their ids; send the document itself as query";
            return Err(Answer::refused(ErrorCode::BadRequest, message));
        }
        Ok((self.documents.read(&parameters.query)?, sent_with_hash))
    }

    /// Estimates how many bytes the aliases of a mutation may repeat in its result: the input, or the text of an earlier send if
    /// this one is a repeat.
    fn repeated_bytes(&self, parameters: &Parameters, aliases: u32) -> usize {
        if aliases == 0 {
            return 0;
        }
        let variables = serde_json::to_string(&parameters.variables).unwrap_or_default();
        let is_repeatable = [&parameters.query, &variables].iter().any(|part| part.contains(REPEATABLE));
        let earlier = if is_repeatable { self.chat.max_text_bytes() } else { 0 };
        (parameters.query.len() + variables.len() + earlier).saturating_mul(aliases as usize)
    }
}

/// The input field that makes a send repeatable.
const REPEATABLE: &str = "clientMessageId";

/// The request for the schema.
fn request(parameters: &Parameters, executable: ExecutableDocument, context: &RequestContext) -> Request {
    let variables = Value::Object(parameters.variables.clone().unwrap_or_default());
    let mut request = Request::new("").variables(Variables::from_json(variables));
    request.set_parsed_query(executable);
    let request = request.data(context.client).data(Reads::default());
    if context.over_get { request.data(OverGet) } else { request }
}
