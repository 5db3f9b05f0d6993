//! The outcome of a request: one answer, or a stream of rendered events.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, Stream, StreamExt as _};

use crate::graphql::execution::operation::Rendering;
use crate::graphql::execution::response::Answer;

/// The outcome of a request.
pub enum Outcome {
    Answer(Answer),
    Events(Events),
}

/// An open subscription.
pub struct Events {
    /// The cursor after which the subscription starts; `None` if it has no cursors.
    pub start: Option<String>,
    pub deliveries: BoxStream<'static, Delivery>,
}

/// One item of a subscription.
pub enum Delivery {
    Event(Arc<Rendering>),
    /// The error that ends the subscription.
    Failure(Box<Answer>),
}

/// The outcome of a request, or an internal error if it panics. The panic itself is logged by the panic hook.
///
/// The state of the request is dropped unseen, and state that requests share stays intact: locks are never poisoned, and a
/// rendering that failed is made by the next subscriber that needs it.
pub(in crate::graphql) async fn catch_panic(run: impl Future<Output = Result<Outcome, Answer>>) -> Outcome {
    let caught = AssertUnwindSafe(run).catch_unwind().await;
    caught.unwrap_or_else(|_| Err(Answer::fault())).unwrap_or_else(Outcome::Answer)
}

/// The items of a subscription; after a panic, an internal error and the end.
pub(in crate::graphql) fn catch_panics(deliveries: impl Stream<Item = Delivery>) -> impl Stream<Item = Delivery> {
    AssertUnwindSafe(deliveries)
        .catch_unwind()
        .map(|delivery| delivery.unwrap_or_else(|_| Delivery::Failure(Box::new(Answer::fault()))))
}
