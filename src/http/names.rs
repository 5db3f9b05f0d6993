//! The name of a request, in the log and in its answer. A caller may give one; what could not stand in a line of a log, or
//! would fill it, is no name.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue};

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

fn is_name(value: &HeaderValue) -> bool {
    let name = value.as_bytes();
    (1..=LENGTH_MAX).contains(&name.len()) && name.iter().all(u8::is_ascii_graphic)
}
