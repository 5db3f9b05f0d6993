//! Subscriptions over multipart HTTP, as Apollo Client speaks it
//! (<https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol>).
//!
//! A client knows that a part is whole when it sees the boundary behind it, so every part is sent together with the
//! boundary that follows.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;

use crate::graphql::operation::{Delivery, Events};
use crate::graphql::transport::Drain;

const CONTENT_TYPE: &str = "multipart/mixed;boundary=\"graphql\";subscriptionSpec=1.0";
const BOUNDARY: &str = "\r\n--graphql";

/// How often an idle stream says something, so that proxies keep it.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Answers with a stream of events.
pub(super) fn stream(mut events: Events, drain: &Drain) -> Response {
    let (open, turn) = (drain.opened(), drain.clone().turn());
    let body = async_stream::stream! {
        let _open = open;
        tokio::pin!(turn);
        yield text(BOUNDARY.to_owned());
        loop {
            let delivery = tokio::select! {
                delivery = tokio::time::timeout(HEARTBEAT, events.deliveries.next()) => delivery,
                // Without a last boundary: the client shall come back, to a server that is there.
                () = &mut turn => return,
            };
            match delivery {
                Err(_idle) => yield part(&["{}"]),
                Ok(Some(Delivery::Event(rendering))) => yield part(&[r#"{"payload":"#, &rendering.payload, "}"]),
                Ok(Some(Delivery::Failure(answer))) => {
                    yield part(&[r#"{"payload":null,"errors":"#, &answer.errors_to_json(), "}"]);
                    break;
                }
                Ok(None) => break,
            }
        }
        yield text("--\r\n".to_owned());
    };
    let headers = [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(body)).into_response()
}

fn part(json: &[&str]) -> Result<Bytes, Infallible> {
    let mut part = String::from("\r\nContent-Type: application/json\r\n\r\n");
    part.extend(json.iter().copied());
    part.push_str(BOUNDARY);
    text(part)
}

fn text(text: String) -> Result<Bytes, Infallible> {
    Ok(Bytes::from(text))
}
