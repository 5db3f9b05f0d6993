//! Content negotiation: chooses a media type by the `Accept` header.

use axum::http::{HeaderMap, header};

use crate::graphql::execution::TransportKind;
use crate::graphql::transport::request::media_type;
use crate::header_list::{items, split};

/// The media types to respond with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accept {
    /// The media type of a single response.
    pub(super) response: ResponseType,
    /// The media type of a stream of events, if the client accepts one.
    pub(super) stream: Option<StreamType>,
    /// Whether a single response is sent as an event stream, too, because the client prefers that to JSON. Clients that accept
    /// both and name JSON first would mistake the end of a stream for a second response.
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

    #[test]
    fn chooses_the_media_types_with_the_highest_weight() {
        use ResponseType::{GraphqlResponse, Json};
        use StreamType::{EventStream, Multipart};
        // The header, the type of a single response, the type of a stream, and whether a single response is one, too.
        for (value, response, stream, response_in_stream) in [
            ("text/html", Json, None, false),
            ("*/*", Json, None, false),
            ("application/graphql-response+json;q=0, application/json", Json, None, false),
            ("multipart/mixed", Json, None, false),
            (
                "multipart/mixed;boundary=\"a,b;q=0\"; SUBSCRIPTIONSPEC=\"1.0\", */*; Q=0.5",
                Json,
                Some(Multipart),
                false,
            ),
            // What Apollo Client and urql send.
            (
                "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0,application/graphql-response+json,\
                 application/json;q=0.9",
                GraphqlResponse,
                Some(Multipart),
                false,
            ),
            (
                "application/graphql-response+json, application/json, text/event-stream, multipart/mixed",
                GraphqlResponse,
                Some(EventStream),
                false,
            ),
            ("text/event-stream", Json, Some(EventStream), true),
            ("text/event-stream, application/json", Json, Some(EventStream), true),
            ("application/json;q=0.5, text/event-stream", Json, Some(EventStream), true),
            ("application/json, text/event-stream", Json, Some(EventStream), false),
            ("text/event-stream;q=0.9, */*", Json, Some(EventStream), false),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, header::HeaderValue::from_static(value))]);
            assert_eq!(Accept::from_headers(&headers), Accept { response, stream, response_in_stream }, "{value}");
        }
    }
}
