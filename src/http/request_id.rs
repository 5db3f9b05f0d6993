//! The name of a request, in the log and in its answer. A caller may give one; what could not stand in a line of a log, or
//! would fill it, is no name.

use axum::http::{HeaderName, HeaderValue, Request};
use rand::RngExt as _;
use tower_http::request_id::{MakeRequestId, RequestId};
use uuid::{Builder, Uuid};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of a name.
const LENGTH_MAX: usize = 128;

/// Takes away what a caller gave for a name, unless it can be one.
pub(super) fn admit<B>(mut request: Request<B>) -> Request<B> {
    let mut given = request.headers().get_all(REQUEST_ID).iter();
    let (first, second) = (given.next(), given.next());
    if !first.is_some_and(|name| second.is_none() && is_name(name)) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

/// Names requests that have no name: a UUID of version 4. From the generator of this thread, as the operating system's
/// would be asked once a request.
#[derive(Clone, Copy)]
pub(super) struct Maker;

impl MakeRequestId for Maker {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let mut written = Uuid::encode_buffer();
        let mut random = [0; 16];
        rand::rng().fill(&mut random);
        let name = Builder::from_random_bytes(random).into_uuid().hyphenated().encode_lower(&mut written);
        HeaderValue::from_str(name).ok().map(RequestId::new)
    }
}

fn is_name(value: &HeaderValue) -> bool {
    let name = value.as_bytes();
    (1..=LENGTH_MAX).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic)
}
