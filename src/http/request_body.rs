//! How a request's body arrives: not compressed, not too large, not for ever. It is read before any wire sees the request,
//! so whatever a client does with its bytes, a wire never waits for them.

use std::error::Error as _;
use std::time::Duration;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::error_code::ErrorCode;
use crate::http::error_response;

/// Bytes of too large a body that are read and thrown away. Most clients listen for an answer only when they have said
/// everything; whoever hangs up on them before takes the answer from them.
const THROWN_AWAY: u64 = 1024 * 1024;

/// What a body is held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes.
    pub(super) max: usize,
    /// From the end of the head to the end of the body.
    pub(super) within: Duration,
}

/// Reads the body, and hands the request on.
pub(super) async fn receive(bounds: Bounds, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    if is_encoded(&parts.headers) {
        let sentence = "send the request body as it is, without content-encoding";
        return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::EncodingUnsupported, sentence);
    }
    let chunked = parts.headers.contains_key(header::TRANSFER_ENCODING);
    let asks_first = parts.headers.contains_key(header::EXPECT);
    let body = match bounds.read(body, asks_first).await {
        Ok(body) => body,
        Err(Late) => {
            let sentence = "the request body did not arrive in time";
            return refuse(StatusCode::REQUEST_TIMEOUT, ErrorCode::RequestTimeout, sentence);
        }
    };
    let limit = if matches!(body, Arrived::TooLarge { .. }) { 0 } else { bounds.max };
    let cut_short = matches!(body, Arrived::TooLarge { read_to_its_end: false });
    let mut request = Request::from_parts(parts, body.into());
    DefaultBodyLimit::max(limit).apply(&mut request);
    let mut response = next.run(request).await;
    if chunked || cut_short {
        // The rest of a body is no request. And beside chunks there may have been a length, which is gone by now: whoever
        // stands between may have believed that one, and take what comes next for something else than we would.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// What came of a body.
enum Arrived {
    Whole(Body),
    TooLarge {
        read_to_its_end: bool,
    },
    /// The connection was lost, or the bytes are no body.
    Broken(axum::Error),
}

/// The time is up.
struct Late;

impl Bounds {
    /// A client that `asks_first` whether it may send the body is told before it does.
    async fn read(self, body: Body, asks_first: bool) -> Result<Arrived, Late> {
        if body.is_end_stream() {
            return Ok(Arrived::Whole(body));
        }
        let announced = body.size_hint().lower();
        if announced > self.max as u64 {
            let read_to_its_end = !asks_first
                && announced <= THROWN_AWAY
                && timeout(self.within, throw_away(body)).await.map_err(|_| Late)?;
            return Ok(Arrived::TooLarge { read_to_its_end });
        }
        match timeout(self.within, to_bytes(body, self.max)).await {
            Ok(Ok(bytes)) => Ok(Arrived::Whole(bytes.into())),
            Ok(Err(error)) if is_too_large(&error) => Ok(Arrived::TooLarge { read_to_its_end: false }),
            Ok(Err(error)) => Ok(Arrived::Broken(error)),
            Err(_) => Err(Late),
        }
    }
}

impl From<Arrived> for Body {
    /// Each wire has its own words for what is wrong with a body, and finds it in one that is wrong in the same way.
    fn from(arrived: Arrived) -> Self {
        match arrived {
            Arrived::Whole(body) => body,
            Arrived::TooLarge { .. } => Self::from("larger than nothing"),
            Arrived::Broken(error) => Self::from_stream(futures_util::stream::iter([Err::<&[u8], _>(error)])),
        }
    }
}

/// Reads a body to its end, keeping nothing; whether it got there.
async fn throw_away(mut body: Body) -> bool {
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

/// Whether the body is compressed, or written in any other way than as it is or in chunks.
fn is_encoded(headers: &HeaderMap) -> bool {
    // Empty items of a list are none.
    let other_than = |name, plain: &'static str| {
        let codings = headers.get_all(name).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        codings
            .map(<[u8]>::trim_ascii)
            .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(plain.as_bytes()))
    };
    other_than(header::CONTENT_ENCODING, "identity") || other_than(header::TRANSFER_ENCODING, "chunked")
}

/// Refuses, and ends the connection: the rest of the body is not read.
fn refuse(status: StatusCode, code: ErrorCode, sentence: &'static str) -> Response {
    let mut response = error_response::refuse(status, code, sentence);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}
