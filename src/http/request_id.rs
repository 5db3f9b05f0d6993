//! Request ids, in the log and in responses. A client may send its own; an id that would break or flood a log line is replaced.

use axum::http::{HeaderName, HeaderValue, Request};
use tower_http::request_id::{MakeRequestId, RequestId};
use uuid::{Builder, Uuid};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Maximum length of an id, in characters.
const LENGTH_MAX: usize = 128;

/// Removes the client's request id unless there is exactly one and it is valid.
pub(super) fn remove_invalid<B>(mut request: Request<B>) -> Request<B> {
    let mut ids = request.headers().get_all(REQUEST_ID).iter();
    let (first, second) = (ids.next(), ids.next());
    if !first.is_some_and(|id| second.is_none() && is_valid(id)) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

/// Generates ids for requests that have none: version 4 UUIDs, from the generator of this thread, because the operating
/// system's would cost a system call per request.
#[derive(Clone, Copy)]
pub(super) struct Generator;

impl MakeRequestId for Generator {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let mut buffer = Uuid::encode_buffer();
        let id = Builder::from_random_bytes(rand::random()).into_uuid().hyphenated().encode_lower(&mut buffer);
        HeaderValue::from_str(id).ok().map(RequestId::new)
    }
}

fn is_valid(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    (1..=LENGTH_MAX).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}
