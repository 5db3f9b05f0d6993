//! Counts of HTTP responses by status, including those that never reached an API.

use axum::http::Response;

use crate::metrics::{Counters, Metrics};

/// Every status that the server uses. Any other is counted as `other`.
const STATUSES: [&str; 20] = [
    "101", "200", "204", "304", "308", "400", "403", "404", "405", "406", "408", "409", "413", "415", "422", "426",
    "429", "500", "503", "507",
];

#[derive(Clone)]
pub(super) struct ResponseMetrics(Counters<1>);

impl ResponseMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let responses = Counters::default();
        STATUSES.iter().for_each(|status| drop(responses.get_or_create(&[("status", status)])));
        metrics.register("livechat_http_responses", "HTTP responses, including pages and probes", responses.clone());
        Self(responses)
    }

    pub(super) fn count<B>(&self, response: Response<B>) -> Response<B> {
        let status = STATUSES.into_iter().find(|status| *status == response.status().as_str());
        self.0.get_or_create(&[("status", status.unwrap_or("other"))]).inc();
        response
    }
}
