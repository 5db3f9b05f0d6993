//! Cursors that come beside a request: with `EventSource` as a header, with its polyfills in the query string, whose names
//! for it differ. A cursor that is sent is honoured or refused.
//!
//! Where several come, the one that is nearest to the connection counts, because it is the newest: clients that come back
//! repeat the request as it was. So the header counts before the query string, and in that the last one, which polyfills
//! append; both count before one in the body, and all of them before the argument `after`.

use axum::extract::Query;
use axum::http::{HeaderMap, HeaderName, Uri};

/// The header of browsers' `EventSource`.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What polyfills, and other servers, call the parameter, in lower case and without `-` and `_`: `lastEventId`
/// (event-source-polyfill), `evs_last_event_id` (amvtek's), `Last-Event-ID` and `lastEventID` (Mercure), `last_event_id`.
const PARAMETERS: [&str; 2] = ["lasteventid", "evslasteventid"];

/// A cursor that nobody can have been given: no text, or two at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// The cursor in the head of a request.
pub(super) fn of_request(headers: &HeaderMap, uri: &Uri) -> Result<Option<String>, Invalid> {
    match of_header(headers)? {
        Some(cursor) => Ok(Some(cursor)),
        None => Ok(of_query_string(uri)),
    }
}

fn of_header(headers: &HeaderMap) -> Result<Option<String>, Invalid> {
    let mut found: Option<&str> = None;
    for value in headers.get_all(LAST_EVENT_ID) {
        let value = std::str::from_utf8(value.as_bytes()).map_err(|_| Invalid)?.trim();
        if value.is_empty() {
            continue;
        }
        if found.replace(value).is_some_and(|found| found != value) {
            return Err(Invalid);
        }
    }
    Ok(found.map(str::to_owned))
}

fn of_query_string(uri: &Uri) -> Option<String> {
    uri.query()?;
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    let mut cursors = pairs.into_iter().filter(|(name, value)| is_cursor(name) && !value.is_empty());
    cursors.next_back().map(|(_, value)| value)
}

/// Whether a parameter of this name holds a cursor.
pub(super) fn is_cursor(name: &str) -> bool {
    let plain: String = name.chars().filter(|character| !matches!(character, '-' | '_')).take(32).collect();
    PARAMETERS.contains(&plain.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(lines: &[&'static str], uri: &str) -> Result<Option<String>, Invalid> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(LAST_EVENT_ID, HeaderValue::from_static(line));
        }
        of_request(&headers, &uri.parse().expect("an address"))
    }

    #[test]
    fn a_cursor_is_found_wherever_clients_put_it() {
        for name in
            ["lastEventId", "lastEventID", "Last-Event-ID", "last-event-id", "last_event_id", "evs_last_event_id"]
        {
            assert_eq!(read(&[], &format!("/graphql?query=x&{name}=a%2Bb")), Ok(Some("a+b".to_owned())), "{name}");
        }
        assert_eq!(read(&["a"], "/graphql"), Ok(Some("a".to_owned())));
        assert_eq!(read(&["", "a", "a", " "], "/graphql"), Ok(Some("a".to_owned())));
        assert_eq!(read(&[""], "/graphql?lastEventId=&query=x"), Ok(None));
        assert_eq!(read(&[], "/graphql?event=x&last=1&id=2"), Ok(None));
    }

    #[test]
    fn of_several_cursors_the_newest_counts_or_none() {
        assert_eq!(read(&["new"], "/graphql?lastEventId=old"), Ok(Some("new".to_owned())));
        assert_eq!(read(&[], "/graphql?lastEventId=old&last-event-id=new"), Ok(Some("new".to_owned())));
        assert_eq!(read(&["a", "b"], "/graphql"), Err(Invalid));
        let mut headers = HeaderMap::new();
        headers.insert(LAST_EVENT_ID, HeaderValue::from_bytes(b"\xff").expect("a value"));
        assert_eq!(of_request(&headers, &Uri::from_static("/graphql")), Err(Invalid));
    }
}
