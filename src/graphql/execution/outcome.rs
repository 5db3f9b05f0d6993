//! The outcome of a request: one answer, or a stream of rendered events.

use std::sync::Arc;

use futures_util::stream::BoxStream;

use crate::graphql::execution::rendering::Rendering;
use crate::graphql::execution::response::Answer;

/// The outcome of a request.
pub enum Outcome {
    Answer(Answer),
    Events(Events),
}

/// An open subscription.
pub struct Events {
    /// The cursor after which the subscription starts; `None` if it has no events at all.
    pub start: Option<String>,
    pub deliveries: BoxStream<'static, Delivery>,
}

/// One item of a subscription.
pub enum Delivery {
    Event(Arc<Rendering>),
    /// The error that ends the subscription.
    Failure(Box<Answer>),
}
