//! GraphQL over server-sent events, in distinct connections mode
//! (<https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>).
//!
//! The `id` of each event is its cursor. A browser's `EventSource` that lost its connection reconnects with the last one as
//! `Last-Event-ID` and thereby resumes. The last event of a completed stream has the id [`LAST_ID`]. A client that reconnects
//! with it gets status 204 and stops reconnecting.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt as _;

use crate::domain::client_key::ClientKey;
use crate::graphql::execution::{Answer, CountedJson, Delivery, Events};
use crate::graphql::transport::send_budget::{SendBudget, streaming_response};
use crate::graphql::transport::state::TransportState;
use crate::unsent_bytes::with_permit;

/// The id of the last event of a completed stream.
pub(super) const LAST_ID: &str = "complete";

/// The last event of a completed stream.
const COMPLETE: &str = "event: complete\nid: complete\ndata:\n\n";

/// How long a browser waits before it reconnects, in milliseconds.
const RETRY: &str = "retry: 1000\n";

/// Duration of a stream that only makes its client reconnect. Some clients miss an end that comes at once.
const RECONNECT_STREAM: Duration = Duration::from_millis(100);

/// Responds with a stream that ends without completing. A browser would not reconnect after any status other than 200.
pub(super) fn reconnect() -> Response {
    respond(Body::from_stream(async_stream::stream! {
        yield Ok::<_, Infallible>(format!("{RETRY}\n"));
        tokio::time::sleep(RECONNECT_STREAM).await;
    }))
}

/// Responds with a stream of one result.
pub(super) fn single_result(answer: Answer) -> Response {
    // After a temporary error the stream does not complete, so that the client reconnects and resumes.
    let end = if answer.is_temporary() { "" } else { COMPLETE };
    let CountedJson { json: mut text, permit } = answer.into_json();
    text.insert_str(0, &format!("{RETRY}\nevent: next\ndata: "));
    text.push_str("\n\n");
    text.push_str(end);
    respond(Body::from(with_permit(text, permit)))
}

/// Responds with a stream of events.
pub(super) fn stream(mut events: Events, client: ClientKey, state: &TransportState) -> Response {
    let (open, drain_turn) = (state.drain.track(), state.drain.clone().wait_for_turn());
    let budget = SendBudget::new(state.executor.unsent(), client);
    let keep_alive = state.settings.keep_alive_interval;
    respond(Body::from_stream(async_stream::stream! {
        let _open = open;
        // The client learns at once that the stream is open, and where to resume if the connection is lost before an event.
        yield budget.chunk(match &events.start {
            Some(cursor) => format!("{RETRY}id: {cursor}\n\n"),
            None => format!("{RETRY}\n"),
        });
        tokio::pin!(drain_turn);
        loop {
            let delivery = tokio::select! {
                delivery = async {
                    budget.wait_for_capacity().await;
                    tokio::time::timeout(keep_alive, events.deliveries.next()).await
                } => delivery,
                // Without completing, so that the client reconnects, to another server.
                () = &mut drain_turn => return,
            };
            match delivery {
                Err(_elapsed) => yield budget.chunk(":\n\n".to_owned()),
                Ok(Some(Delivery::Event(rendering))) => {
                    yield budget.chunk(next(&rendering.payload, rendering.cursor.as_deref()));
                }
                Ok(Some(Delivery::Failure(answer))) => {
                    yield budget.chunk(next(&answer.to_json(), None));
                    break;
                }
                Ok(None) => break,
            }
        }
        yield budget.chunk(COMPLETE.to_owned());
    }))
}

fn respond(body: Body) -> Response {
    streaming_response("text/event-stream; charset=utf-8", body)
}

/// An event named `next`, whose id is the cursor.
fn next(payload: &str, cursor: Option<&str>) -> String {
    let mut event = String::with_capacity(payload.len() + 96);
    event.push_str("event: next\n");
    if let Some(cursor) = cursor {
        event.extend(["id: ", cursor, "\n"]);
    }
    event.extend(["data: ", payload, "\n\n"]);
    event
}
