//! A panic in one operation is the error of that operation, over whatever transport it came, and of no other.
//!
//! What a panic leaves behind is dropped unseen, and what operations share stays whole: locks are not poisoned for good,
//! and a rendering that was not made is made by the next who asks for it.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, Stream, StreamExt as _};

use crate::graphql::execution::operation::{Delivery, Outcome};
use crate::graphql::execution::response::Answer;

/// What an operation leads to, or the error that it panicked. The panic itself is in the log.
pub(in crate::graphql) async fn caught_in_answer(run: impl Future<Output = Outcome>) -> Outcome {
    AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(|_| Outcome::Answer(Answer::fault()))
}

/// What a subscription tells; after a panic that there was one, and no more.
pub(in crate::graphql) fn caught_in_events(deliveries: impl Stream<Item = Delivery>) -> impl Stream<Item = Delivery> {
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
    async fn an_operation_that_panics_is_answered_without_a_word_of_why() {
        let Outcome::Answer(answer) = caught_in_answer(async { panic!("open sesame") }).await else {
            panic!("no answer")
        };
        assert_eq!(code_of(&answer), "INTERNAL");
        assert!(!answer.to_json().contains("sesame"));
    }

    #[tokio::test]
    async fn a_subscription_that_panics_ends_with_an_error() {
        let panicking = stream::iter([1, 2]).map(|_| -> Delivery { panic!("open sesame") });
        let told: Vec<_> = caught_in_events(panicking).collect().await;
        let [Delivery::Failure(answer)] = &told[..] else { panic!("something else was told") };
        assert_eq!(code_of(answer), "INTERNAL");
    }
}
