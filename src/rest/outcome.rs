//! What is counted of each legacy request. Its status may say that all is well when it is not, so the answer carries its
//! code besides, as far as the service gave it one.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;

use crate::error_code::ErrorCode;
use crate::metrics::{OK, OperationMetrics};
use crate::rest::Rest;

/// The name of this wire.
const WIRE: &str = "rest";

/// Beside an answer: the code of the error that it tells of.
#[derive(Clone, Copy)]
pub(super) struct Code(pub(super) ErrorCode);

/// Counts what these methods answer, under the name of their shortest path.
pub(super) fn told(methods: MethodRouter<Rest>, path: &'static str, served: &OperationMetrics) -> MethodRouter<Rest> {
    served.preregister(WIRE, path);
    methods.layer(from_fn_with_state((served.clone(), path), tell))
}

async fn tell(
    State((served, path)): State<(OperationMetrics, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let begun = Instant::now();
    let response = next.run(request).await;
    served.record(WIRE, path, outcome(&response), begun.elapsed());
    response
}

fn outcome(response: &Response) -> &'static str {
    match (response.extensions().get::<Code>(), response.status()) {
        (Some(Code(code)), _) => code.as_str(),
        (None, StatusCode::METHOD_NOT_ALLOWED) => ErrorCode::MethodNotAllowed.as_str(),
        (None, status) if status.is_server_error() => ErrorCode::Internal.as_str(),
        // What is wrong with a body is said before the service sees it.
        (None, status) if status.is_client_error() => ErrorCode::BadRequest.as_str(),
        (None, _) => OK,
    }
}
