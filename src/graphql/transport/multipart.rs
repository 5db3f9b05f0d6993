//! Subscriptions over multipart HTTP, as in Apollo's protocol
//! (<https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol>).
//!
//! A client knows that a part is complete when it sees the next boundary, so each part is sent together with the boundary
//! that follows it.

use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt as _;

use crate::domain::client_key::ClientKey;
use crate::graphql::execution::{Delivery, Events};
use crate::graphql::transport::send_budget::{SendBudget, streaming_response};
use crate::graphql::transport::state::TransportState;

const CONTENT_TYPE: &str = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0";
const BOUNDARY: &str = "\r\n--graphql";

/// Responds with a stream of events.
pub(super) fn stream(mut events: Events, client: ClientKey, state: &TransportState) -> Response {
    let (open, drain_turn) = (state.drain.track(), state.drain.clone().wait_for_turn());
    let budget = SendBudget::new(state.executor.unsent(), client);
    let heartbeat = state.settings.keep_alive_interval;
    let body = async_stream::stream! {
        let _open = open;
        tokio::pin!(drain_turn);
        yield budget.chunk(BOUNDARY.to_owned());
        loop {
            let delivery = tokio::select! {
                delivery = async {
                    budget.wait_for_capacity().await;
                    tokio::time::timeout(heartbeat, events.deliveries.next()).await
                } => delivery,
                // Without a final boundary, so that the client reconnects, to another server.
                () = &mut drain_turn => return,
            };
            match delivery {
                Err(_elapsed) => yield budget.chunk(part(&["{}"])),
                Ok(Some(Delivery::Event(rendering))) => {
                    yield budget.chunk(part(&[r#"{"payload":"#, &rendering.payload, "}"]));
                }
                Ok(Some(Delivery::Failure(answer))) => {
                    yield budget.chunk(part(&[r#"{"payload":null,"errors":"#, &answer.errors_to_json(), "}"]));
                    break;
                }
                Ok(None) => break,
            }
        }
        yield budget.chunk("--\r\n".to_owned());
    };
    streaming_response(CONTENT_TYPE, Body::from_stream(body))
}

fn part(json: &[&str]) -> String {
    let mut part = String::from("\r\nContent-Type: application/json\r\n\r\n");
    part.extend(json.iter().copied());
    part.push_str(BOUNDARY);
    part
}
