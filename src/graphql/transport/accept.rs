//! Which of our media types a client wants.

use axum::http::{HeaderMap, header};

use crate::graphql::operation::Carrier;
use crate::graphql::transport::parameters::media_type;

/// What a client can read, best first among those it names alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accept {
    /// How to write a single answer.
    pub(super) answer: AnswerType,
    /// How to write a stream of events, if the client takes streams.
    pub(super) stream: Option<StreamType>,
}

/// The media types of a single answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AnswerType {
    /// `application/json`, as clients of before the specification read it.
    Json,
    /// `application/graphql-response+json`.
    GraphqlResponse,
}

/// The media types of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamType {
    EventStream,
    Multipart,
}

impl StreamType {
    /// What carries the events then.
    pub(super) const fn carrier(self) -> Carrier {
        match self {
            Self::EventStream => Carrier::EventStream,
            Self::Multipart => Carrier::Multipart,
        }
    }
}

impl Accept {
    /// Reads the header. Clients that ask for nothing, or for anything, get JSON, as they always did.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut answer: Option<(f32, AnswerType)> = None;
        let mut stream: Option<(f32, StreamType)> = None;
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        for range in values.flat_map(|value| value.split(',')) {
            let quality = quality(range);
            if quality <= 0.0 {
                continue;
            }
            match media_type(range).to_ascii_lowercase().as_str() {
                "application/graphql-response+json" => prefer(&mut answer, quality, AnswerType::GraphqlResponse),
                "application/json" | "application/*" | "*/*" => prefer(&mut answer, quality, AnswerType::Json),
                "text/event-stream" => prefer(&mut stream, quality, StreamType::EventStream),
                "multipart/mixed" if range.contains("subscriptionSpec") => {
                    prefer(&mut stream, quality, StreamType::Multipart);
                }
                _ => {}
            }
        }
        Self { answer: answer.map_or(AnswerType::Json, |(_, kind)| kind), stream: stream.map(|(_, kind)| kind) }
    }
}

/// Takes the better of two; of two alike the first.
fn prefer<T>(best: &mut Option<(f32, T)>, quality: f32, kind: T) {
    if best.as_ref().is_none_or(|(known, _)| quality > *known) {
        *best = Some((quality, kind));
    }
}

/// The weight of a media range, from 0 to 1.
fn quality(range: &str) -> f32 {
    let weight = range.split(';').skip(1).find_map(|parameter| parameter.trim().strip_prefix("q="));
    weight.and_then(|weight| weight.trim().parse().ok()).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> Accept {
        Accept::of(&HeaderMap::from_iter([(header::ACCEPT, header::HeaderValue::from_static(value))]))
    }

    #[test]
    fn the_best_named_type_is_chosen() {
        let json = Accept { answer: AnswerType::Json, stream: None };
        let graphql = Accept { answer: AnswerType::GraphqlResponse, stream: None };
        assert_eq!(Accept::of(&HeaderMap::new()), json);
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
        assert_eq!(accept(apollo), Accept { answer: AnswerType::GraphqlResponse, stream: Some(StreamType::Multipart) });
    }
}
