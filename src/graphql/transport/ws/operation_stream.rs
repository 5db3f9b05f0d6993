//! The output of one operation on a socket, from its start to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use futures_util::stream::BoxStream;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, Span};

use crate::graphql::execution::{Answer, CountedJson, Delivery, Outcome, Parameters, Rendering, RequestContext};
use crate::graphql::transport::state::TransportState;

/// One item of an operation's output.
pub(super) enum Output {
    Event(Arc<Rendering>),
    /// The result of a query or a mutation.
    Result(CountedJson),
    /// The errors that prevented or ended the operation, as a JSON list. Nothing follows.
    Errors(String),
    /// Nothing follows.
    Complete,
}

impl Output {
    /// Whether nothing follows.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::Errors(_) | Self::Complete)
    }
}

/// The output of one operation.
pub(super) enum OperationStream {
    Running(AbortOnDropHandle<Outcome>),
    Events(BoxStream<'static, Delivery>),
    Completing,
    Ended,
}

impl OperationStream {
    /// Starts a request, in `span` until it has a result or its subscription is open. It runs in a task of its own, because the
    /// socket's task does not poll it while the peer accepts no bytes, and it holds permits that other requests wait for.
    pub(super) fn start(
        state: Arc<TransportState>,
        parameters: Parameters,
        context: RequestContext,
        span: Span,
    ) -> Self {
        let run = async move { state.executor.run(parameters, context).await };
        Self::Running(AbortOnDropHandle::new(tokio::spawn(run.instrument(span))))
    }
}

impl Stream for OperationStream {
    type Item = Output;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Output>> {
        loop {
            let (output, next_state) = match &mut *self {
                Self::Events(deliveries) => match ready!(deliveries.as_mut().poll_next(cx)) {
                    Some(Delivery::Event(rendering)) => return Poll::Ready(Some(Output::Event(rendering))),
                    Some(Delivery::Failure(answer)) => (Some(Output::Errors(answer.errors_to_json())), Self::Ended),
                    None => (Some(Output::Complete), Self::Ended),
                },
                // `run` catches panics; the task fails only if the runtime shuts down.
                Self::Running(run) => match ready!(Pin::new(run).poll(cx)).unwrap_or_else(|_| internal_error()) {
                    Outcome::Events(events) => (None, Self::Events(events.deliveries)),
                    Outcome::Answer(answer) => match answer.failure() {
                        Some(_) => (Some(Output::Errors(answer.errors_to_json())), Self::Ended),
                        None => (Some(Output::Result(answer.into_json())), Self::Completing),
                    },
                },
                Self::Completing => (Some(Output::Complete), Self::Ended),
                Self::Ended => return Poll::Ready(None),
            };
            *self = next_state;
            if output.is_some() {
                return Poll::Ready(output);
            }
        }
    }
}

fn internal_error() -> Outcome {
    Outcome::Answer(Answer::fault())
}
