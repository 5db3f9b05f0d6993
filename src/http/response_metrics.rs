//! Counts of HTTP responses by status, including those that never reached an API.

use axum::http::{Response, StatusCode};

use crate::metrics::{Counters, Metrics};

/// Every status that the server uses, with its label value. Any other is counted as `other`.
const STATUSES: [(StatusCode, &str); 19] = [
    (StatusCode::SWITCHING_PROTOCOLS, "101"),
    (StatusCode::OK, "200"),
    (StatusCode::NO_CONTENT, "204"),
    (StatusCode::NOT_MODIFIED, "304"),
    (StatusCode::PERMANENT_REDIRECT, "308"),
    (StatusCode::BAD_REQUEST, "400"),
    (StatusCode::FORBIDDEN, "403"),
    (StatusCode::NOT_FOUND, "404"),
    (StatusCode::METHOD_NOT_ALLOWED, "405"),
    (StatusCode::NOT_ACCEPTABLE, "406"),
    (StatusCode::REQUEST_TIMEOUT, "408"),
    (StatusCode::CONFLICT, "409"),
    (StatusCode::PAYLOAD_TOO_LARGE, "413"),
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, "415"),
    (StatusCode::UNPROCESSABLE_ENTITY, "422"),
    (StatusCode::TOO_MANY_REQUESTS, "429"),
    (StatusCode::INTERNAL_SERVER_ERROR, "500"),
    (StatusCode::SERVICE_UNAVAILABLE, "503"),
    (StatusCode::INSUFFICIENT_STORAGE, "507"),
];

#[derive(Clone)]
pub(super) struct ResponseMetrics(Counters<1>);

impl ResponseMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let responses = Counters::default();
        STATUSES.iter().for_each(|(_, status)| drop(responses.get_or_create(&[("status", status)])));
        metrics.register("livechat_http_responses", "HTTP responses, including pages and probes", responses.clone());
        Self(responses)
    }

    pub(super) fn count<B>(&self, response: Response<B>) -> Response<B> {
        let known = STATUSES.iter().find(|(status, _)| *status == response.status());
        self.0.get_or_create(&[("status", known.map_or("other", |(_, status)| status))]).inc();
        response
    }
}
