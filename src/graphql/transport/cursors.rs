//! Cursors in the head of a request: the header of `EventSource`, and the query parameters of its polyfills, whose names
//! differ. A cursor that is sent is used or rejected, never ignored.
//!
//! If there are several, the one nearest to the connection is the newest, because clients that reconnect repeat their request
//! unchanged. So the header precedes the query string, and in the query string the last one counts, because polyfills append
//! it. Both precede a cursor in the body, and all of these precede the argument `after`.

use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, Uri};

/// The header of browsers' `EventSource`.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Names of the query parameter, in lower case and without `-` and `_`. Variants in use: `lastEventId`
/// (event-source-polyfill), `evs_last_event_id` (amvtek's), `Last-Event-ID` and `lastEventID` (Mercure), `last_event_id`.
const PARAMETERS: [&str; 2] = ["lasteventid", "evslasteventid"];

/// The server cannot have issued this cursor: it is not text, or there are two different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidCursor;

/// Reads the cursor from the head of a request.
pub(super) fn from_request(headers: &HeaderMap, uri: &Uri) -> Result<Option<String>, InvalidCursor> {
    match from_header(headers)? {
        Some(cursor) => Ok(Some(cursor)),
        None => Ok(from_query_string(uri)),
    }
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

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn parse(header_lines: &[&'static str], uri: &str) -> Result<Option<String>, InvalidCursor> {
        let mut headers = HeaderMap::new();
        for line in header_lines {
            headers.append(LAST_EVENT_ID, HeaderValue::from_static(line));
        }
        from_request(&headers, &uri.parse().expect("an address"))
    }

    #[test]
    fn finds_a_cursor_under_every_name_that_clients_use() {
        for name in
            ["lastEventId", "lastEventID", "Last-Event-ID", "last-event-id", "last_event_id", "evs_last_event_id"]
        {
            assert_eq!(parse(&[], &format!("/graphql?query=x&{name}=a%2Bb")), Ok(Some("a+b".to_owned())), "{name}");
        }
        assert_eq!(parse(&["a"], "/graphql"), Ok(Some("a".to_owned())));
        assert_eq!(parse(&["", "a", "a", " "], "/graphql"), Ok(Some("a".to_owned())));
        assert_eq!(parse(&[""], "/graphql?lastEventId=&query=x"), Ok(None));
        assert_eq!(parse(&[], "/graphql?event=x&last=1&id=2"), Ok(None));
    }

    #[test]
    fn prefers_the_newest_cursor_and_rejects_contradictory_ones() {
        assert_eq!(parse(&["new"], "/graphql?lastEventId=old"), Ok(Some("new".to_owned())));
        assert_eq!(parse(&[], "/graphql?lastEventId=old&last-event-id=new"), Ok(Some("new".to_owned())));
        assert_eq!(parse(&["a", "b"], "/graphql"), Err(InvalidCursor));
        let mut headers = HeaderMap::new();
        headers.insert(LAST_EVENT_ID, HeaderValue::from_bytes(b"\xff").expect("a value"));
        assert_eq!(from_request(&headers, &Uri::from_static("/graphql")), Err(InvalidCursor));
    }
}
