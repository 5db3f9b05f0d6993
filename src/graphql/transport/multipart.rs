//! Subscriptions over multipart HTTP, as Apollo Client speaks it
//! (<https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol>).
//!
//! A client knows that a part is whole when it sees the boundary behind it, so every part is sent together with the
//! boundary that follows.

use axum::body::Body;
use axum::response::Response;
use futures_util::StreamExt as _;

use crate::domain::client_key::ClientKey;
use crate::graphql::execution::operation::{Delivery, Events};
use crate::graphql::transport::Transport;
use crate::graphql::transport::send_budget::{Outflow, streamed};

const CONTENT_TYPE: &str = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0";
const BOUNDARY: &str = "\r\n--graphql";

/// Answers with a stream of events.
pub(super) fn stream(mut events: Events, client: ClientKey, transport: &Transport) -> Response {
    let (open, turn) = (transport.drain.opened(), transport.drain.clone().turn());
    let outflow = Outflow::new(transport.operations.unsent(), client);
    let heartbeat = transport.settings.keep_alive_interval;
    let body = async_stream::stream! {
        let _open = open;
        tokio::pin!(turn);
        yield outflow.piece(BOUNDARY.to_owned());
        loop {
            let delivery = tokio::select! {
                delivery = async {
                    outflow.room().await;
                    tokio::time::timeout(heartbeat, events.deliveries.next()).await
                } => delivery,
                // Without a last boundary: the client shall come back, to a server that is there.
                () = &mut turn => return,
            };
            match delivery {
                Err(_idle) => yield outflow.piece(part(&["{}"])),
                Ok(Some(Delivery::Event(rendering))) => {
                    yield outflow.piece(part(&[r#"{"payload":"#, &rendering.payload, "}"]));
                }
                Ok(Some(Delivery::Failure(answer))) => {
                    yield outflow.piece(part(&[r#"{"payload":null,"errors":"#, &answer.errors_to_json(), "}"]));
                    break;
                }
                Ok(None) => break,
            }
        }
        yield outflow.piece("--\r\n".to_owned());
    };
    streamed(CONTENT_TYPE, Body::from_stream(body))
}

fn part(json: &[&str]) -> String {
    let mut part = String::from("\r\nContent-Type: application/json\r\n\r\n");
    part.extend(json.iter().copied());
    part.push_str(BOUNDARY);
    part
}
