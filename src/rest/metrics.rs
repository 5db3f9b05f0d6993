//! Operation metrics of the legacy routes. The HTTP status may be 200 for an error, so a response carries its error code as an
//! extension.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;

use crate::error_code::ErrorCode;
use crate::metrics::{OK, OperationMetrics};
use crate::rest::RestState;

/// The label of this API.
const API: &str = "rest";

/// Response extension: the error that the response reports.
#[derive(Clone, Copy)]
pub(super) struct ReportedError(pub(super) ErrorCode);

/// Records every request to these methods as an operation named after their shortest path.
pub(super) fn record_operations(
    methods: MethodRouter<RestState>,
    path: &'static str,
    metrics: &OperationMetrics,
) -> MethodRouter<RestState> {
    metrics.preregister(API, path);
    methods.layer(from_fn_with_state((metrics.clone(), path), record))
}

async fn record(
    State((metrics, path)): State<(OperationMetrics, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let response = next.run(request).await;
    metrics.record(API, path, outcome(&response), start.elapsed());
    response
}

fn outcome(response: &Response) -> &'static str {
    match (response.extensions().get::<ReportedError>(), response.status()) {
        (Some(ReportedError(code)), _) => code.as_str(),
        (None, StatusCode::METHOD_NOT_ALLOWED) => ErrorCode::MethodNotAllowed.as_str(),
        (None, status) if status.is_server_error() => ErrorCode::Internal.as_str(),
        // The body was rejected before the service saw the request.
        (None, status) if status.is_client_error() => ErrorCode::BadRequest.as_str(),
        (None, _) => OK,
    }
}
