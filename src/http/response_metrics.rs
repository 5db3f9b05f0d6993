//! Counts of HTTP responses by status, including those that never reached an API.

use std::sync::Arc;

use axum::http::Response;

use crate::metrics::{Counter, Counters, Metrics};

/// Every status that the server uses. Any other is counted as `other`.
const STATUSES: [&str; 20] = [
    "101", "200", "204", "304", "308", "400", "403", "404", "405", "406", "408", "409", "413", "415", "422", "426",
    "429", "500", "503", "507",
];

#[derive(Clone)]
pub(super) struct ResponseMetrics {
    responses: Counters<1>,
    /// The counters of `STATUSES`, which are found without hashing labels.
    known: Arc<[Counter]>,
}

impl ResponseMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let responses = Counters::default();
        let known = STATUSES.iter().map(|status| responses.get_or_create_owned(&[("status", *status)])).collect();
        metrics.register("livechat_http_responses", "HTTP responses, including pages and probes", responses.clone());
        Self { responses, known }
    }

    pub(super) fn count<B>(&self, response: Response<B>) -> Response<B> {
        match STATUSES.iter().position(|status| *status == response.status().as_str()) {
            Some(index) => self.known[index].inc(),
            None => self.responses.get_or_create(&[("status", "other")]).inc(),
        };
        response
    }
}
