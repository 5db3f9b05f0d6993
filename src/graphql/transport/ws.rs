//! Queries, mutations and subscriptions over WebSocket, in the `graphql-transport-ws` protocol. Its words are in `protocol`.
//!
//! One task a socket: it reads when something comes, and writes when something is to be said. It asks for the next event
//! only when the last one is written, so a reader that stops reading falls behind in the room's log and not in this
//! process's memory.

mod addresses;
mod protocol;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ConnectInfo;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_stream::StreamMap;

use crate::graphql::answer::{Answer, Failure};
use crate::graphql::operation::{Circumstances, Delivery, Operations, Outcome, Parameters};
use crate::graphql::rendering::Rendering;
use crate::graphql::transport::Transport;

pub(super) use addresses::Addresses;

use protocol::{ClientMessage, Close};

/// Bytes of a message from a client, at most.
const MESSAGE_MAX: usize = 64 * 1024;

/// Bytes read at once. The default would cost every socket 128 KiB.
const READ_BUFFER: usize = 2 * 1024;

/// Bytes gathered before they are written, and bytes that may wait to be written.
const WRITE_BUFFER: usize = 8 * 1024;
const WRITE_BUFFER_MAX: usize = 256 * 1024;

/// How often the server pings, and how often a peer may miss that before it counts as gone.
const PING_EVERY: Duration = Duration::from_secs(25);
const SILENT_PINGS: u32 = 2;

/// How long a close frame may take to be written, and to be answered.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Messages written before the socket is read again.
const GATHER: usize = 64;

/// Answers the upgrade, or says why not.
pub(super) fn accept(transport: Transport, upgrade: WebSocketUpgrade, extensions: &Extensions) -> Response {
    if transport.drain.has_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, "this server is stopping; connect again\n").into_response();
    }
    let place = match extensions.get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(peer)) => match transport.addresses.take(peer.ip()) {
            Some(place) => Some(place),
            None => return (StatusCode::TOO_MANY_REQUESTS, "too many sockets from this address\n").into_response(),
        },
        None => None,
    };
    let upgrade = upgrade
        .protocols([protocol::NAME])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(WRITE_BUFFER_MAX)
        .max_message_size(MESSAGE_MAX)
        .max_frame_size(MESSAGE_MAX);
    let is_ours = upgrade.selected_protocol().is_some();
    let open = transport.drain.opened();
    upgrade.on_upgrade(async move |socket| {
        let (_place, _open) = (place, open);
        let mut connection = Connection::new(socket, transport);
        let ended = if is_ours { connection.serve().await } else { Err(End::Close(Close::SubprotocolNotAcceptable)) };
        if let Err(End::Close(close)) = ended {
            connection.close(close).await;
        }
    })
}

/// Why a connection ends.
enum End {
    /// We close it.
    Close(Close),
    /// The peer closed it, or is gone.
    Gone,
}

/// What an operation says.
enum Step {
    Event(Arc<Rendering>),
    Result(String),
    Error(String),
    Complete,
}

struct Connection {
    socket: WebSocket,
    transport: Transport,
    /// Whether the connection was acknowledged.
    acknowledged: bool,
    /// Cursors by operation id, from `connection_init`.
    resume: HashMap<String, String>,
    /// What is under way, by operation id.
    operations: StreamMap<Arc<str>, BoxStream<'static, Step>>,
    last_heard: Instant,
}

impl Connection {
    fn new(socket: WebSocket, transport: Transport) -> Self {
        Self {
            socket,
            transport,
            acknowledged: false,
            resume: HashMap::new(),
            operations: StreamMap::new(),
            last_heard: Instant::now(),
        }
    }

    async fn serve(&mut self) -> Result<(), End> {
        let init_timeout = sleep_until(Instant::now() + self.transport.settings.ws_init_timeout);
        let turn = self.transport.drain.clone().turn();
        tokio::pin!(init_timeout, turn);
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = self.socket.recv() => self.hear(message).await?,
                Some((id, step)) = self.operations.next(), if !self.operations.is_empty() => {
                    tokio::select! {
                        written = self.say_gathered(id, step) => written?,
                        () = &mut turn => return Err(End::Close(Close::Restart)),
                    }
                }
                () = &mut init_timeout, if !self.acknowledged => return Err(End::Close(Close::InitTimeout)),
                _ = ping.tick() => {
                    if self.last_heard.elapsed() >= PING_EVERY * SILENT_PINGS {
                        return Err(End::Close(Close::Silent));
                    }
                    self.write(Message::Ping(axum::body::Bytes::new())).await?;
                }
                () = &mut turn => return Err(End::Close(Close::Restart)),
            }
        }
    }

    /// Takes what came from the socket.
    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(error)) if is_too_big(&error) => return Err(End::Close(Close::MessageTooBig)),
            Some(Err(_)) | None => return Err(End::Gone),
        };
        self.last_heard = Instant::now();
        match message {
            Message::Text(text) => self.obey(ClientMessage::read(&text).map_err(End::Close)?).await,
            Message::Binary(_) => Err(End::Close(Close::InvalidMessage)),
            // The socket answers pings by itself, and a close frame too before it ends.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => Ok(()),
        }
    }

    async fn obey(&mut self, message: ClientMessage) -> Result<(), End> {
        match message {
            ClientMessage::ConnectionInit { .. } if self.acknowledged => Err(End::Close(Close::TooManyInits)),
            ClientMessage::ConnectionInit { payload } => {
                self.acknowledged = true;
                self.resume = payload.unwrap_or_default().resume;
                self.write(Message::text(protocol::ACK)).await
            }
            ClientMessage::Ping { payload } => self.write(Message::text(protocol::pong(payload))).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe { .. } if !self.acknowledged => Err(End::Close(Close::Unauthorized)),
            ClientMessage::Subscribe { id, .. } if self.operations.contains_key(id.as_str()) => {
                Err(End::Close(Close::SubscriberExists))
            }
            ClientMessage::Subscribe { id, payload } => self.begin(id, *payload).await,
            ClientMessage::Complete { id } => {
                self.operations.remove(id.as_str());
                Ok(())
            }
        }
    }

    async fn begin(&mut self, id: String, parameters: Parameters) -> Result<(), End> {
        let limit = self.transport.settings.max_subscriptions_per_socket;
        if self.operations.len() >= limit {
            let sentence = format!("this socket has {limit} operations under way, which is all it may have");
            let answer = Answer::refused("TOO_MANY_SUBSCRIPTIONS", sentence);
            return self.write(Message::text(protocol::error(&id, &answer.errors_to_json()))).await;
        }
        let circumstances = Circumstances { over_get: false, resume_after: self.resume.remove(&id) };
        let steps = run(self.transport.operations.clone(), parameters, circumstances);
        self.operations.insert(id.into(), steps.boxed());
        Ok(())
    }

    /// Says a step and whatever else is ready by then, in as few writes as it takes.
    async fn say_gathered(&mut self, id: Arc<str>, step: Step) -> Result<(), End> {
        let (mut id, mut step) = (id, step);
        for gathered in 1.. {
            let text = match &step {
                Step::Event(rendering) => protocol::next(&id, &rendering.payload),
                Step::Result(json) => protocol::next(&id, json),
                Step::Error(json) => protocol::error(&id, json),
                Step::Complete => protocol::complete(&id),
            };
            self.in_time(async |socket| socket.feed(Message::Text(Utf8Bytes::from(text))).await).await?;
            if gathered == GATHER {
                break;
            }
            match self.operations.next().now_or_never() {
                Some(Some(ready)) => (id, step) = ready,
                Some(None) | None => break,
            }
        }
        self.in_time(async |socket| socket.flush().await).await
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        self.in_time(async |socket| socket.send(message).await).await
    }

    /// Writes a little, in the time that a peer has for that: many little writes may take longer together.
    async fn in_time(&mut self, write: impl AsyncFnOnce(&mut WebSocket) -> Result<(), axum::Error>) -> Result<(), End> {
        match timeout(self.transport.settings.write_timeout, write(&mut self.socket)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Close(Close::TooSlow)),
        }
    }

    /// Says why the socket is closed, and waits a moment for the peer to have heard it.
    async fn close(&mut self, close: Close) {
        let (code, reason) = close.frame();
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let _ = timeout(CLOSE_WITHIN, async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        })
        .await;
    }
}

/// What an operation says, from its start to its end.
fn run(
    operations: Operations,
    parameters: Parameters,
    circumstances: Circumstances,
) -> impl futures_util::Stream<Item = Step> + Send {
    async_stream::stream! {
        // In a box, as the stream would otherwise keep room for an execution for as long as it lives.
        match Box::pin(operations.run(parameters, circumstances)).await {
            Outcome::Answer(answer) => match answer.failure() {
                Some(Failure::Request | Failure::Method | Failure::Overload) => {
                    yield Step::Error(answer.errors_to_json());
                }
                None => {
                    yield Step::Result(answer.to_json());
                    yield Step::Complete;
                }
            },
            Outcome::Events(mut events) => {
                while let Some(delivery) = events.deliveries.next().await {
                    match delivery {
                        Delivery::Event(rendering) => yield Step::Event(rendering),
                        Delivery::Failure(answer) => {
                            yield Step::Error(answer.errors_to_json());
                            return;
                        }
                    }
                }
                yield Step::Complete;
            }
        }
    }
}

fn is_too_big(error: &axum::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("too long") {
            return true;
        }
        cause = error.source();
    }
    false
}
