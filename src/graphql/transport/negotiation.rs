//! Content negotiation: chooses a media type by the `Accept` header.

use axum::http::{HeaderMap, header};

use crate::graphql::execution::TransportKind;
use crate::graphql::transport::header_list::{items, split};
use crate::graphql::transport::request::media_type;

/// The media types to respond with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accept {
    /// The media type of a single response.
    pub(super) response: ResponseType,
    /// The media type of a stream of events, if the client accepts one.
    pub(super) stream: Option<StreamType>,
    /// Whether a single response is sent as an event stream, too, because the client prefers that to JSON. Clients that accept
    /// both and name JSON first take the end of a stream for a second response.
    pub(super) response_in_stream: bool,
}

/// Media types of a single response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseType {
    /// `application/json`, for clients older than the specification.
    Json,
    /// `application/graphql-response+json`.
    GraphqlResponse,
}

/// Media types of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamType {
    EventStream,
    Multipart,
}

impl StreamType {
    /// The transport that sends this media type.
    pub(super) const fn transport(self) -> TransportKind {
        match self {
            Self::EventStream => TransportKind::EventStream,
            Self::Multipart => TransportKind::Multipart,
        }
    }
}

impl Accept {
    /// Reads the header. Clients without the header, or with `*/*`, get `application/json`. Of media types with the same
    /// weight, the first one counts.
    pub(super) fn from_headers(headers: &HeaderMap) -> Self {
        let mut response: Option<(f32, ResponseType)> = None;
        let mut stream: Option<(f32, StreamType)> = None;
        let mut in_stream: Option<(f32, bool)> = None;
        for range in items(headers, &header::ACCEPT) {
            let quality = quality(range);
            if quality <= 0.0 {
                continue;
            }
            match media_type(range).to_ascii_lowercase().as_str() {
                "application/graphql-response+json" => {
                    prefer(&mut response, quality, ResponseType::GraphqlResponse);
                    prefer(&mut in_stream, quality, false);
                }
                "application/json" | "application/*" | "*/*" => {
                    prefer(&mut response, quality, ResponseType::Json);
                    prefer(&mut in_stream, quality, false);
                }
                "text/event-stream" => {
                    prefer(&mut stream, quality, StreamType::EventStream);
                    prefer(&mut in_stream, quality, true);
                }
                "multipart/mixed" if parameter(range, "subscriptionSpec").is_some() => {
                    prefer(&mut stream, quality, StreamType::Multipart);
                }
                _ => {}
            }
        }
        Self {
            response: response.map_or(ResponseType::Json, |(_, kind)| kind),
            stream: stream.map(|(_, kind)| kind),
            response_in_stream: in_stream.is_some_and(|(_, in_stream)| in_stream),
        }
    }
}

/// Replaces `best` by `kind` if its weight is higher.
fn prefer<T>(best: &mut Option<(f32, T)>, quality: f32, kind: T) {
    if best.as_ref().is_none_or(|(known, _)| quality > *known) {
        *best = Some((quality, kind));
    }
}

/// The weight of a media range, from 0 to 1.
fn quality(range: &str) -> f32 {
    parameter(range, "q").and_then(|weight| weight.parse().ok()).unwrap_or(1.0)
}

/// A parameter of a media range.
fn parameter<'a>(range: &'a str, name: &str) -> Option<&'a str> {
    let mut parameters = split(range, ';').skip(1).filter_map(|parameter| parameter.split_once('='));
    parameters.find(|(known, _)| known.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> Accept {
        Accept::from_headers(&HeaderMap::from_iter([(header::ACCEPT, header::HeaderValue::from_static(value))]))
    }

    #[test]
    fn chooses_the_media_type_with_the_highest_weight() {
        let json = Accept { response: ResponseType::Json, stream: None, response_in_stream: false };
        let graphql = Accept { response: ResponseType::GraphqlResponse, stream: None, response_in_stream: false };
        assert_eq!(Accept::from_headers(&HeaderMap::new()), json);
        assert_eq!(accept("*/*"), json);
        assert_eq!(accept("text/html"), json);
        assert_eq!(accept("application/json"), json);
        assert_eq!(accept("application/graphql-response+json; charset=utf-8"), graphql);
        assert_eq!(accept("application/graphql-response+json, application/json;q=0.9"), graphql);
        assert_eq!(accept("application/json, application/graphql-response+json;q=0.5"), json);
        assert_eq!(accept("application/graphql-response+json;q=0, application/json"), json);
    }

    #[test]
    fn a_stream_is_taken_by_who_asks_for_one() {
        assert_eq!(accept("text/event-stream").stream, Some(StreamType::EventStream));
        assert_eq!(accept("multipart/mixed").stream, None);
        let apollo = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0,application/graphql-response+json,\
                      application/json;q=0.9";
        assert_eq!(accept(apollo).response, ResponseType::GraphqlResponse);
        assert_eq!(accept(apollo).stream, Some(StreamType::Multipart));
        let quoted = "multipart/mixed; boundary=\"a,b;q=0\"; SUBSCRIPTIONSPEC=\"1.0\", application/json; Q=0.5";
        assert_eq!(accept(quoted).stream, Some(StreamType::Multipart));
    }

    #[test]
    fn sends_a_single_response_as_a_stream_only_if_the_client_prefers_that_to_json() {
        for (value, in_stream) in [
            ("text/event-stream", true),
            ("text/event-stream, application/json", true),
            ("application/json;q=0.5, text/event-stream", true),
            ("application/json, text/event-stream", false),
            ("text/event-stream;q=0.9, */*", false),
            // What urql sends with a query.
            ("application/graphql-response+json, application/json, text/event-stream, multipart/mixed", false),
            ("*/*", false),
        ] {
            assert_eq!(accept(value).response_in_stream, in_stream, "{value}");
        }
    }
}
