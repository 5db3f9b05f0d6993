//! Turns a panic in one operation into an error of that operation, and of no other.
//!
//! The state of the operation is dropped unseen, and state that operations share stays intact: locks are never poisoned, and
//! a rendering that failed is made by the next subscriber that needs it.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, Stream, StreamExt as _};

use crate::graphql::execution::outcome::{Delivery, Outcome};
use crate::graphql::execution::response::Answer;

/// The outcome of an operation, or an internal error if it panics. The panic itself is logged by the panic hook.
pub(in crate::graphql) async fn catch_in_outcome(run: impl Future<Output = Outcome>) -> Outcome {
    AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(|_| Outcome::Answer(Answer::fault()))
}

/// The items of a subscription; after a panic, an internal error and the end.
pub(in crate::graphql) fn catch_in_events(deliveries: impl Stream<Item = Delivery>) -> impl Stream<Item = Delivery> {
    AssertUnwindSafe(deliveries)
        .catch_unwind()
        .map(|delivery| delivery.unwrap_or_else(|_| Delivery::Failure(Box::new(Answer::fault()))))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    fn code_of(answer: &Answer) -> serde_json::Value {
        let answer: serde_json::Value = serde_json::from_str(&answer.to_json()).expect("JSON");
        answer["errors"][0]["extensions"]["code"].clone()
    }

    #[tokio::test]
    async fn an_operation_that_panics_is_answered_without_the_reason() {
        let Outcome::Answer(answer) = catch_in_outcome(async { panic!("open sesame") }).await else {
            panic!("not an answer")
        };
        assert_eq!(code_of(&answer), "INTERNAL");
        assert!(!answer.to_json().contains("sesame"));
    }

    #[tokio::test]
    async fn a_subscription_that_panics_ends_with_an_error() {
        let panicking = stream::iter([1, 2]).map(|_| -> Delivery { panic!("open sesame") });
        let deliveries: Vec<_> = catch_in_events(panicking).collect().await;
        let [Delivery::Failure(answer)] = &deliveries[..] else { panic!("unexpected deliveries") };
        assert_eq!(code_of(answer), "INTERNAL");
    }
}
