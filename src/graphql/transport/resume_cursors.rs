//! Reads the cursor of a request that resumes a stream: from the header that browsers' `EventSource` sends, or from the query
//! parameter that its polyfills append. A cursor that is sent is used or rejected, never ignored.
//!
//! A client that reconnects repeats its request unchanged and adds its newest cursor outside of it. So the header overrides the
//! query string, whose last cursor counts. Both override a cursor in the body, and all of these override the argument `after`.

use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, Uri};

/// The header of browsers' `EventSource`.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Names of the query parameter, in lower case and without `-` and `_`. Variants in use: `lastEventId`
/// (event-source-polyfill), `evs_last_event_id` (amvtek's), `Last-Event-ID` and `lastEventID` (Mercure), `last_event_id`.
const PARAMETERS: [&str; 2] = ["lasteventid", "evslasteventid"];

/// The cursor is not text, or the request has two different ones, so this server did not issue it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidCursor;

/// Reads the cursor from the head of a request.
pub(super) fn from_request(headers: &HeaderMap, uri: &Uri) -> Result<Option<String>, InvalidCursor> {
    Ok(from_header(headers)?.or_else(|| from_query_string(uri)))
}

fn from_header(headers: &HeaderMap) -> Result<Option<String>, InvalidCursor> {
    let mut found: Option<&str> = None;
    for value in headers.get_all(LAST_EVENT_ID) {
        let value = std::str::from_utf8(value.as_bytes()).map_err(|_| InvalidCursor)?.trim();
        if value.is_empty() {
            continue;
        }
        if found.replace(value).is_some_and(|found| found != value) {
            return Err(InvalidCursor);
        }
    }
    Ok(found.map(str::to_owned))
}

fn from_query_string(uri: &Uri) -> Option<String> {
    uri.query()?;
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    let mut cursors = pairs.into_iter().filter(|(name, value)| is_cursor_name(name) && !value.is_empty());
    cursors.next_back().map(|(_, value)| value)
}

/// Whether a parameter of this name holds a cursor.
pub(super) fn is_cursor_name(name: &str) -> bool {
    let letters: String = name.chars().filter(|character| !matches!(character, '-' | '_')).take(32).collect();
    PARAMETERS.contains(&letters.to_ascii_lowercase().as_str())
}
