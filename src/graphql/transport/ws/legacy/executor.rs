//! Runs the operations of async-graphql's protocol library under our limits.

use std::future::ready;
use std::sync::Arc;
use std::task::Poll;

use async_graphql::{Data, Executor, Request, Response, ServerError};
use futures_util::stream::{BoxStream, poll_fn};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::domain::client_key::ClientKey;
use crate::error_code::ErrorCode;
use crate::graphql::execution::{Answer, Parameters, RequestContext, TransportKind};
use crate::graphql::transport::state::TransportState;
use crate::graphql::transport::ws::messages::LEGACY_NAME;
use crate::graphql::transport::ws::operation_stream::{OperationStream, Output};
use crate::graphql::transport::ws::socket::Socket;

/// Names of extensions in a request to the executor.
const PERSISTED_QUERY: &str = "persistedQuery";
const DOCUMENT_ID: &str = "documentId";
const RESUME_AFTER: &str = "resumeAfter";

/// Executes the requests of one socket. Limits, budgets, metrics and error codes are those of every other transport.
#[derive(Clone)]
pub(super) struct LimitedExecutor {
    state: Arc<TransportState>,
    client: ClientKey,
    request_id: Option<Arc<str>>,
    /// A permit for each operation that may be in progress on the socket.
    permits: Arc<Semaphore>,
}

impl LimitedExecutor {
    pub(super) fn new(socket: &Socket, request_id: Option<Arc<str>>) -> Self {
        let state = Arc::clone(socket.state());
        let permits = Arc::new(Semaphore::new(state.settings.max_subscriptions_per_socket));
        Self { state, client: socket.client(), request_id, permits }
    }
}

impl Executor for LimitedExecutor {
    async fn execute(&self, request: Request) -> Response {
        self.execute_stream(request, None).next().await.unwrap_or_default()
    }

    fn execute_stream(&self, request: Request, _: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            let limit = self.state.settings.max_subscriptions_per_socket;
            let message = format!("this socket already has {limit} operations in progress, the maximum");
            let answer = Answer::refused(ErrorCode::TooManySubscriptions, message);
            return ready(from_json(&answer.to_json())).into_stream().boxed();
        };
        let context = RequestContext {
            client: self.client,
            transport: TransportKind::LegacyWebSocket,
            over_get: false,
            resume_after: None,
        };
        let span = tracing::info_span!("operation", id = self.request_id.as_deref(), protocol = LEGACY_NAME);
        let outputs = OperationStream::start(Arc::clone(&self.state), from_request(request), context, span);
        // The permit lives as long as the stream, which the library drops when the client stops the operation.
        let responses = outputs.filter_map(move |output| {
            let _permit = &permit;
            ready(to_response(output))
        });
        taking_turns(responses).boxed()
    }
}

/// Pauses `responses` for one poll after each item. The library polls the operations of a socket in a fixed order, so one that
/// always has a response ready would starve those after it.
fn taking_turns(mut responses: impl Stream<Item = Response> + Unpin) -> impl Stream<Item = Response> {
    let mut is_paused = false;
    poll_fn(move |cx| {
        if std::mem::take(&mut is_paused) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let response = responses.poll_next_unpin(cx);
        is_paused = response.is_ready();
        response
    })
}

/// The payload of a `start` message as the library parses it.
pub(super) fn to_payload(parameters: Parameters) -> Value {
    let Parameters { query, operation_name, variables, persisted_query, document_id, resume_after } = parameters;
    let extensions = json!({ PERSISTED_QUERY: persisted_query, DOCUMENT_ID: document_id, RESUME_AFTER: resume_after });
    json!({ "query": query, "operationName": operation_name, "variables": variables, "extensions": extensions })
}

/// Reverses [`to_payload`].
fn from_request(mut request: Request) -> Parameters {
    let mut extension = |name| {
        let value = request.extensions.remove(name).and_then(|value| value.into_json().ok());
        value.filter(|value| !value.is_null())
    };
    let persisted_query = extension(PERSISTED_QUERY);
    let mut text = |name| extension(name).and_then(|value| value.as_str().map(str::to_owned));
    let (document_id, resume_after) = (text(DOCUMENT_ID), text(RESUME_AFTER));
    let variables = serde_json::to_value(&request.variables).ok();
    let variables = variables.and_then(|variables| if let Value::Object(map) = variables { Some(map) } else { None });
    Parameters {
        query: request.query,
        operation_name: request.operation_name,
        variables,
        persisted_query,
        document_id,
        resume_after,
    }
}

/// The response for an output. The end of an operation is the end of its stream.
fn to_response(output: Output) -> Option<Response> {
    match output {
        Output::Event(rendering) => Some(from_json(&rendering.payload)),
        Output::Result(result) => Some(from_json(&result.json)),
        Output::Errors(errors) => Some(Response::from_errors(from_json::<Vec<ServerError>>(&errors))),
        Output::Complete => None,
    }
}

/// Parses JSON that this server has written.
fn from_json<'a, T: Deserialize<'a> + Default>(json: &'a str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| {
        tracing::error!(%error, "a response of this server could not be parsed");
        T::default()
    })
}
