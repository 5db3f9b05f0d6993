//! Buffering of request bodies: uncompressed, up to a maximum size, within a time limit. Bodies are read before any API sees the
//! request, so no API ever waits for a slow client.

use std::error::Error as _;
use std::time::Duration;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::http::error_response::ErrorResponse;

/// Largest oversized body that is read to its end and discarded, in bytes. Most clients read the response only after they have
/// sent the whole body, and would lose it if the connection were closed earlier.
const DISCARD_MAX: u64 = 1024 * 1024;

/// Limits on a request body.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) max_bytes: usize,
    /// From the end of the request head to the end of the body.
    pub(super) timeout: Duration,
}

/// Reads the body into memory and passes the request on.
pub(super) async fn buffer(limits: Limits, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if is_encoded(&parts.headers) {
        return ErrorResponse::EncodingUnsupported.into_response();
    }
    let is_chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
    let expects_continue = parts.headers.contains_key(header::EXPECT);
    let Ok(body) = limits.read(body, expects_continue).await else {
        return ErrorResponse::RequestTimeout.into_response();
    };
    let max_bytes = if matches!(body, BufferedBody::TooLarge { .. }) { 0 } else { limits.max_bytes };
    let is_cut_short = matches!(body, BufferedBody::TooLarge { is_discarded: false });
    let mut request = Request::from_parts(parts, body.into());
    DefaultBodyLimit::max(max_bytes).apply(&mut request);
    let mut response = next.run(request).await;
    if is_chunked || is_cut_short {
        // The unread rest of a body must not be parsed as the next request. And a chunked request may also have had a
        // content-length, which hyper has removed: a proxy that used it would look for the next request at another byte.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The result of reading a body.
enum BufferedBody {
    Complete(Body),
    TooLarge {
        /// Whether the body was read to its end.
        is_discarded: bool,
    },
    /// The connection was lost, or the bytes are not a valid HTTP body.
    Failed(axum::Error),
}

struct TimedOut;

impl Limits {
    /// Reads a body. An oversized one is not discarded if the client waits for permission to send it.
    async fn read(self, body: Body, expects_continue: bool) -> Result<BufferedBody, TimedOut> {
        if body.is_end_stream() {
            return Ok(BufferedBody::Complete(body));
        }
        let declared_size = body.size_hint().lower();
        if declared_size > self.max_bytes as u64 {
            let is_discarded = !expects_continue
                && declared_size <= DISCARD_MAX
                && timeout(self.timeout, discard(body)).await.map_err(|_| TimedOut)?;
            return Ok(BufferedBody::TooLarge { is_discarded });
        }
        match timeout(self.timeout, to_bytes(body, self.max_bytes)).await {
            Ok(Ok(bytes)) => Ok(BufferedBody::Complete(bytes.into())),
            Ok(Err(error)) if is_too_large(&error) => Ok(BufferedBody::TooLarge { is_discarded: false }),
            Ok(Err(error)) => Ok(BufferedBody::Failed(error)),
            Err(_) => Err(TimedOut),
        }
    }
}

impl From<BufferedBody> for Body {
    /// Each API reports a bad body in its own format, so it gets a body with the same defect: one larger than its limit of
    /// zero bytes, or one that fails.
    fn from(body: BufferedBody) -> Self {
        match body {
            BufferedBody::Complete(body) => body,
            BufferedBody::TooLarge { .. } => Self::from("larger than the limit"),
            BufferedBody::Failed(error) => Self::from_stream(futures_util::stream::iter([Err::<&[u8], _>(error)])),
        }
    }
}

/// Reads a body and keeps nothing of it. Returns whether it was read to its end.
async fn discard(mut body: Body) -> bool {
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            return false;
        }
    }
    true
}

fn is_too_large(error: &axum::Error) -> bool {
    error.source().is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>())
}

/// Whether the body is compressed, or transferred in any way but plain or chunked.
fn is_encoded(headers: &HeaderMap) -> bool {
    let has_other_than = |name, plain: &'static str| {
        let codings = headers.get_all(name).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        // Empty list items are ignored, as HTTP demands.
        codings
            .map(<[u8]>::trim_ascii)
            .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(plain.as_bytes()))
    };
    has_other_than(header::CONTENT_ENCODING, "identity") || has_other_than(header::TRANSFER_ENCODING, "chunked")
}
