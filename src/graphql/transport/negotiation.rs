//! Which of our media types a client wants.

use axum::http::{HeaderMap, header};

use crate::graphql::execution::operation::Carrier;
use crate::graphql::transport::header_list::{items, split};
use crate::graphql::transport::request::media_type;

/// What a client can read, best first among those it names alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accept {
    /// How to write a single answer.
    pub(super) answer: AnswerType,
    /// How to write a stream of events, if the client takes streams.
    pub(super) stream: Option<StreamType>,
    /// Whether a single answer is written as an event stream too, which the client then likes better than JSON. Clients that
    /// name both, JSON first, read the end of a stream as a second answer.
    pub(super) answer_in_stream: bool,
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
        let mut in_stream: Option<(f32, bool)> = None;
        for range in items(headers, &header::ACCEPT) {
            let quality = quality(range);
            if quality <= 0.0 {
                continue;
            }
            match media_type(range).to_ascii_lowercase().as_str() {
                "application/graphql-response+json" => {
                    prefer(&mut answer, quality, AnswerType::GraphqlResponse);
                    prefer(&mut in_stream, quality, false);
                }
                "application/json" | "application/*" | "*/*" => {
                    prefer(&mut answer, quality, AnswerType::Json);
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
            answer: answer.map_or(AnswerType::Json, |(_, kind)| kind),
            stream: stream.map(|(_, kind)| kind),
            answer_in_stream: in_stream.is_some_and(|(_, in_stream)| in_stream),
        }
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
        Accept::of(&HeaderMap::from_iter([(header::ACCEPT, header::HeaderValue::from_static(value))]))
    }

    #[test]
    fn the_best_named_type_is_chosen() {
        let json = Accept { answer: AnswerType::Json, stream: None, answer_in_stream: false };
        let graphql = Accept { answer: AnswerType::GraphqlResponse, stream: None, answer_in_stream: false };
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
        assert_eq!(accept(apollo).answer, AnswerType::GraphqlResponse);
        assert_eq!(accept(apollo).stream, Some(StreamType::Multipart));
        let quoted = "multipart/mixed; boundary=\"a,b;q=0\"; SUBSCRIPTIONSPEC=\"1.0\", application/json; Q=0.5";
        assert_eq!(accept(quoted).stream, Some(StreamType::Multipart));
    }

    #[test]
    fn a_single_answer_goes_into_a_stream_only_where_json_is_not_liked_as_well() {
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
            assert_eq!(accept(value).answer_in_stream, in_stream, "{value}");
        }
    }
}
