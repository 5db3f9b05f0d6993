//! Whether a GET was made by a program that means GraphQL. Another site's page can have a browser send a GET, with a form, a
//! link or an image, but without a header of these.

use axum::http::{HeaderMap, HeaderName, header};

use crate::graphql::transport::header_list::items;
use crate::graphql::transport::request::media_type;

/// Headers that clients send to show that they could ask for more than a plain form: a browser asks the server first,
/// before it sends one of them to another site.
const DELIBERATE: [&str; 3] = ["apollo-require-preflight", "x-apollo-operation-name", "graphql-preflight"];

const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// What a browser says in `sec-fetch-mode` of a request that a script made, which then is bound by CORS; of a link or a form
/// it says `navigate`, of an image `no-cors`. Of an image with `crossorigin` it says `cors` too, but in `sec-fetch-dest` that it is
/// an image; for a script it is `empty`.
const BY_SCRIPT: [&str; 2] = ["cors", "same-origin"];

/// Media types that no form, link or image asks for.
const ANSWERS: [&str; 4] =
    ["application/graphql-response+json", "application/json", "text/event-stream", "multipart/mixed"];

/// Whether the headers show that the request was meant.
pub(super) fn is_deliberate(headers: &HeaderMap) -> bool {
    let values = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let named = |value: &str, names: &[&str]| names.iter().any(|name| media_type(value).eq_ignore_ascii_case(name));
    DELIBERATE.iter().any(|name| headers.get(*name).is_some_and(|value| !value.is_empty()))
        || values(MODE).any(|mode| BY_SCRIPT.contains(&mode)) && values(DESTINATION).all(|wanted| wanted == "empty")
        || values(header::CONTENT_TYPE).any(|value| named(value, &["application/json"]))
        || items(headers, &header::ACCEPT).any(|range| named(range, &ANSWERS))
}
