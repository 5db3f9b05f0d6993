//! GraphQL over server-sent events, in the distinct-connections mode
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>).
//!
//! Every event has its cursor as `id`, so a browser's `EventSource` that lost its connection comes back with it as
//! `Last-Event-ID` and resumes by itself. A stream that is over gives a last id of its own: whoever comes back with that
//! one is told to stay away.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;

use crate::graphql::operation::{Delivery, Events, Outcome};
use crate::graphql::transport::Drain;

/// The id of the last event of a stream that is over.
pub(super) const LAST_ID: &str = "complete";

/// How often an idle stream says something, so that proxies keep it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a browser waits before it comes back, in milliseconds.
const RETRY: &str = "retry: 1000\n";

/// Answers with a stream of what the request leads to.
pub(super) fn stream(outcome: Outcome, drain: &Drain) -> Response {
    let (open, turn) = (drain.opened(), drain.clone().turn());
    let body = async_stream::stream! {
        let _open = open;
        // At once, so that the client knows the stream is open, and from where on even if it loses it before an event.
        yield text(match &outcome {
            Outcome::Events(Events { start: Some(cursor), .. }) => format!("{RETRY}id: {cursor}\n\n"),
            Outcome::Events(Events { start: None, .. }) | Outcome::Answer(_) => format!("{RETRY}\n"),
        });
        match outcome {
            Outcome::Answer(answer) => yield next(&answer.to_json(), None),
            Outcome::Events(mut events) => {
                tokio::pin!(turn);
                loop {
                    let delivery = tokio::select! {
                        delivery = tokio::time::timeout(KEEP_ALIVE, events.deliveries.next()) => delivery,
                        // Without an end: the client shall come back, to a server that is there.
                        () = &mut turn => return,
                    };
                    match delivery {
                        Err(_idle) => yield text(":\n\n".to_owned()),
                        Ok(Some(Delivery::Event(rendering))) => yield next(&rendering.payload, Some(&rendering.cursor)),
                        Ok(Some(Delivery::Failure(answer))) => {
                            yield next(&answer.to_json(), None);
                            break;
                        }
                        Ok(None) => break,
                    }
                }
            }
        }
        yield text(format!("event: complete\nid: {LAST_ID}\ndata:\n\n"));
    };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies of the nginx family would hold events back otherwise.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(body)).into_response()
}

fn next(payload: &str, cursor: Option<&str>) -> Result<Bytes, Infallible> {
    let mut event = String::with_capacity(payload.len() + 96);
    event.push_str("event: next\n");
    if let Some(cursor) = cursor {
        event.extend(["id: ", cursor, "\n"]);
    }
    event.extend(["data: ", payload, "\n\n"]);
    text(event)
}

fn text(text: String) -> Result<Bytes, Infallible> {
    Ok(Bytes::from(text))
}
