//! GraphQL over server-sent events, in the distinct-connections mode
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>).
//!
//! Every event has its cursor as `id`, so a browser's `EventSource` that lost its connection comes back with it as
//! `Last-Event-ID` and resumes by itself. A stream that is over gives a last id of its own: whoever comes back with that
//! one is told to stay away.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt as _;

use crate::domain::client_key::ClientKey;
use crate::graphql::execution::operation::{Delivery, Events, Outcome};
use crate::graphql::execution::response::Answer;
use crate::graphql::execution::response_budget::Sized;
use crate::graphql::transport::Transport;
use crate::graphql::transport::send_budget::{Outflow, streamed};
use crate::unsent_bytes::counted;

/// The id of the last event of a stream that is over.
pub(super) const LAST_ID: &str = "complete";

/// The end of a stream that is over.
const COMPLETE: &str = "event: complete\nid: complete\ndata:\n\n";

/// How long a browser waits before it comes back, in milliseconds.
const RETRY: &str = "retry: 1000\n";

/// How long a stream lasts that only tells its client to come back; some clients do not notice an end in the first instant.
const COME_BACK: Duration = Duration::from_millis(100);

/// Answers with a stream that ends before it is over. After any other status a browser would not come back.
pub(super) fn come_back() -> Response {
    respond(Body::from_stream(async_stream::stream! {
        yield Ok::<_, Infallible>(format!("{RETRY}\n"));
        tokio::time::sleep(COME_BACK).await;
    }))
}

/// Answers with a stream of what the request leads to.
pub(super) fn stream(outcome: Outcome, client: ClientKey, transport: &Transport) -> Response {
    match outcome {
        Outcome::Answer(answer) => answer_alone(answer),
        Outcome::Events(events) => stream_events(events, client, transport),
    }
}

/// Answers with a stream of one answer, whose end is known.
fn answer_alone(answer: Answer) -> Response {
    // Without an end if the client shall come back, from where it was.
    let end = if answer.is_temporary() { "" } else { COMPLETE };
    let Sized { json: mut text, permit } = answer.into_sized();
    text.insert_str(0, &format!("{RETRY}\nevent: next\ndata: "));
    text.push_str("\n\n");
    text.push_str(end);
    respond(Body::from(counted(text, permit)))
}

fn stream_events(mut events: Events, client: ClientKey, transport: &Transport) -> Response {
    let (open, turn) = (transport.drain.opened(), transport.drain.clone().turn());
    let outflow = Outflow::new(transport.operations.unsent(), client);
    let keep_alive = transport.settings.keep_alive_interval;
    respond(Body::from_stream(async_stream::stream! {
        let _open = open;
        // At once, so that the client knows the stream is open, and from where on even if it loses it before an event.
        yield outflow.piece(match &events.start {
            Some(cursor) => format!("{RETRY}id: {cursor}\n\n"),
            None => format!("{RETRY}\n"),
        });
        tokio::pin!(turn);
        loop {
            let delivery = tokio::select! {
                delivery = async {
                    outflow.room().await;
                    tokio::time::timeout(keep_alive, events.deliveries.next()).await
                } => delivery,
                // Without an end: the client shall come back, to a server that is there.
                () = &mut turn => return,
            };
            match delivery {
                Err(_idle) => yield outflow.piece(":\n\n".to_owned()),
                Ok(Some(Delivery::Event(rendering))) => {
                    yield outflow.piece(next(&rendering.payload, Some(&rendering.cursor)));
                }
                Ok(Some(Delivery::Failure(answer))) => {
                    yield outflow.piece(next(&answer.to_json(), None));
                    break;
                }
                Ok(None) => break,
            }
        }
        yield outflow.piece(COMPLETE.to_owned());
    }))
}

fn respond(body: Body) -> Response {
    streamed("text/event-stream; charset=utf-8", body)
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
