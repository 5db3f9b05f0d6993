//! The CSRF rule for GET requests.
//!
//! A page of another site can make a browser send a GET, with a form, a link or an image. Such a request has none of the headers
//! that are required here.

use axum::http::{HeaderMap, HeaderName, header};

use crate::graphql::transport::request::media_type;
use crate::header_list::items;

/// Headers that a browser sends to another site only after a CORS preflight.
const PREFLIGHTED_HEADERS: [&str; 3] = ["apollo-require-preflight", "x-apollo-operation-name", "graphql-preflight"];

const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const FETCH_DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Values of `sec-fetch-mode` for requests of scripts, which CORS covers. Browsers send `navigate` for links and forms and
/// `no-cors` for images. An image with `crossorigin` has `cors` too, but its `sec-fetch-dest` is `image`; a script's is `empty`.
const SCRIPT_MODES: [&str; 2] = ["cors", "same-origin"];

/// Media types that no form, link or image accepts.
const GRAPHQL_MEDIA_TYPES: [&str; 4] =
    ["application/graphql-response+json", "application/json", "text/event-stream", "multipart/mixed"];

/// Whether the headers prove that a script or program sent the request, and not another site's form, link or image.
pub(super) fn is_safe(headers: &HeaderMap) -> bool {
    let values = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let is_one_of = |value: &str, names: &[&str]| names.iter().any(|name| media_type(value).eq_ignore_ascii_case(name));
    PREFLIGHTED_HEADERS.iter().any(|name| headers.get(*name).is_some_and(|value| !value.is_empty()))
        || values(FETCH_MODE).any(|mode| SCRIPT_MODES.contains(&mode))
            && values(FETCH_DESTINATION).all(|destination| destination == "empty")
        || values(header::CONTENT_TYPE).any(|value| is_one_of(value, &["application/json"]))
        || items(headers, &header::ACCEPT).any(|range| is_one_of(range, &GRAPHQL_MEDIA_TYPES))
}
