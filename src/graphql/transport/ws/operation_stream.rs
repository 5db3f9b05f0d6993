//! What an operation on a socket says, from its start to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use futures_util::stream::BoxStream;
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument as _, Span};

use crate::graphql::execution::operation::{Circumstances, Delivery, Operations, Outcome, Parameters};
use crate::graphql::execution::rendering::Rendering;
use crate::graphql::execution::response::Answer;
use crate::graphql::execution::response_budget::Sized;

/// One thing that an operation says.
pub(super) enum Step {
    Event(Arc<Rendering>),
    Result(Sized),
    Error(String),
    Complete,
}

impl Step {
    /// Whether nothing comes after it.
    pub(super) fn is_last(&self) -> bool {
        matches!(self, Self::Error(_) | Self::Complete)
    }
}

/// The steps of one operation.
pub(super) enum Steps {
    Starting(AbortOnDropHandle<Outcome>),
    Events(BoxStream<'static, Delivery>),
    Complete,
    Over,
}

impl Steps {
    /// Those of this request, which is told of in the log, and traced, as `span` until it is answered or opened. It runs in a
    /// task of its own: the socket's does not poll it while the peer takes no bytes, and what it holds others wait for.
    pub(super) fn of(operations: Operations, parameters: Parameters, circumstances: Circumstances, span: Span) -> Self {
        let run = async move { operations.run(parameters, circumstances).await };
        Self::Starting(AbortOnDropHandle::new(tokio::spawn(run.instrument(span))))
    }
}

impl Stream for Steps {
    type Item = Step;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Option<Step>> {
        loop {
            let (step, then) = match &mut *self {
                Self::Events(deliveries) => match ready!(deliveries.as_mut().poll_next(task)) {
                    Some(Delivery::Event(rendering)) => return Poll::Ready(Some(Step::Event(rendering))),
                    Some(Delivery::Failure(answer)) => (Some(Step::Error(answer.errors_to_json())), Self::Over),
                    None => (Some(Step::Complete), Self::Over),
                },
                // A panic of the operation has been caught within.
                Self::Starting(run) => match ready!(Pin::new(run).poll(task)).unwrap_or_else(|_| fault()) {
                    Outcome::Events(events) => (None, Self::Events(events.deliveries)),
                    Outcome::Answer(answer) => match answer.failure() {
                        Some(_) => (Some(Step::Error(answer.errors_to_json())), Self::Over),
                        None => (Some(Step::Result(answer.into_sized())), Self::Complete),
                    },
                },
                Self::Complete => (Some(Step::Complete), Self::Over),
                Self::Over => return Poll::Ready(None),
            };
            *self = then;
            if step.is_some() {
                return Poll::Ready(step);
            }
        }
    }
}

fn fault() -> Outcome {
    Outcome::Answer(Answer::fault())
}
