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
use futures_util::{Stream, StreamExt as _};

use crate::graphql::operation::{Delivery, Events, Outcome};
use crate::graphql::transport::Transport;
use crate::graphql::transport::outflow::Outflow;

/// The id of the last event of a stream that is over.
pub(super) const LAST_ID: &str = "complete";

/// How long a browser waits before it comes back, in milliseconds.
const RETRY: &str = "retry: 1000\n";

/// How long a stream lasts that only tells its client to come back; some clients do not notice an end in the first instant.
const COME_BACK: Duration = Duration::from_millis(100);

/// Answers with a stream that ends before it is over. After any other status a browser would not come back.
pub(super) fn come_back() -> Response {
    respond(async_stream::stream! {
        yield Ok(Bytes::from(format!("{RETRY}\n")));
        tokio::time::sleep(COME_BACK).await;
    })
}

/// Answers with a stream of what the request leads to.
pub(super) fn stream(outcome: Outcome, transport: &Transport) -> Response {
    let (open, turn, outflow) = (transport.drain.opened(), transport.drain.clone().turn(), Outflow::new());
    let keep_alive = transport.settings.keep_alive_interval;
    respond(async_stream::stream! {
        let _open = open;
        // At once, so that the client knows the stream is open, and from where on even if it loses it before an event.
        let preamble = match &outcome {
            Outcome::Events(Events { start: Some(cursor), .. }) => format!("{RETRY}id: {cursor}\n\n"),
            Outcome::Events(Events { start: None, .. }) | Outcome::Answer(_) => format!("{RETRY}\n"),
        };
        yield outflow.piece(preamble).await;
        match outcome {
            Outcome::Answer(answer) => yield outflow.piece(next(&answer.to_json(), None)).await,
            Outcome::Events(mut events) => {
                tokio::pin!(turn);
                loop {
                    let delivery = tokio::select! {
                        delivery = tokio::time::timeout(keep_alive, events.deliveries.next()) => delivery,
                        // Without an end: the client shall come back, to a server that is there.
                        () = &mut turn => return,
                    };
                    match delivery {
                        Err(_idle) => yield outflow.piece(":\n\n".to_owned()).await,
                        Ok(Some(Delivery::Event(rendering))) => {
                            yield outflow.piece(next(&rendering.payload, Some(&rendering.cursor))).await;
                        }
                        Ok(Some(Delivery::Failure(answer))) => {
                            yield outflow.piece(next(&answer.to_json(), None)).await;
                            break;
                        }
                        Ok(None) => break,
                    }
                }
            }
        }
        yield outflow.piece(format!("event: complete\nid: {LAST_ID}\ndata:\n\n")).await;
    })
}

fn respond(body: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // Proxies of the nginx family would hold events back otherwise.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(body)).into_response()
}

fn next(payload: &str, cursor: Option<&str>) -> String {
    let mut event = String::with_capacity(payload.len() + 96);
    event.push_str("event: next\n");
    if let Some(cursor) = cursor {
        event.extend(["id: ", cursor, "\n"]);
    }
    event.extend(["data: ", payload, "\n\n"]);
    event
}
