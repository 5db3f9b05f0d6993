//! Counts HTTP answers by their status, those included that no wire has seen.

use axum::http::{Response, StatusCode};

use crate::metrics::{Counters, Metrics};

/// The statuses we answer with. Any other would be new.
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
pub(super) struct Answers(Counters<1>);

impl Answers {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let count = Counters::default();
        STATUSES.iter().for_each(|(_, status)| drop(count.get_or_create(&[("status", status)])));
        metrics.register("livechat_http_responses", "HTTP answers, pages and probes included", count.clone());
        Self(count)
    }

    pub(super) fn count<B>(&self, response: Response<B>) -> Response<B> {
        let known = STATUSES.iter().find(|(status, _)| *status == response.status());
        self.0.get_or_create(&[("status", known.map_or("other", |(_, status)| status))]).inc();
        response
    }
}
