//! Queries, mutations and subscriptions over WebSocket, in the `graphql-transport-ws` protocol. Its words are in `protocol`.
//!
//! One task a socket: it reads when something comes, and writes when something is to be said. It asks for the next event
//! only when the last one is written, so a reader that stops reading falls behind in the room's log and not in this
//! process's memory.

mod addresses;
mod protocol;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{Extensions, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::BoxStream;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_stream::StreamMap;

use crate::chat::Caller;
use crate::graphql::answer::{Answer, Failure};
use crate::graphql::operation::{Circumstances, Delivery, Operations, Outcome, Parameters};
use crate::graphql::panics;
use crate::graphql::rendering::Rendering;
use crate::graphql::transport::Transport;
use crate::graphql::transport::object::Object;

pub(super) use addresses::Addresses;

use protocol::{ClientMessage, Close};

/// Bytes of a message from a client, at most.
const MESSAGE_MAX: usize = 64 * 1024;

/// Bytes read at once. The default would cost every socket 128 KiB.
const READ_BUFFER: usize = 2 * 1024;

/// Bytes gathered before they are written. No more than these and one message ever wait to be written: the next message
/// is taken when they are gone.
const WRITE_BUFFER: usize = 8 * 1024;

/// How many pings a peer may let pass in silence before it counts as gone.
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
    let place = match extensions.get::<Caller>() {
        Some(caller) => match transport.addresses.take(caller.address) {
            Some(place) => Some(place),
            None => return (StatusCode::TOO_MANY_REQUESTS, "too many sockets from this address\n").into_response(),
        },
        None => None,
    };
    let upgrade = upgrade
        .protocols([protocol::NAME])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(MESSAGE_MAX)
        .max_frame_size(MESSAGE_MAX);
    let is_ours = upgrade.selected_protocol().is_some();
    let open = transport.drain.opened();
    upgrade.on_upgrade(async move |socket| {
        let (_place, _open) = (place, open);
        let turn = transport.drain.clone().turn();
        let mut connection = Connection::new(socket, transport);
        let end = if is_ours {
            // When its turn to end has come, it ends, whatever it was waiting for. What it had taken but not written is
            // behind the cursor that the client has.
            tokio::select! {
                end = connection.serve() => end,
                () = turn => End::Close(Close::Restart),
            }
        } else {
            End::Close(Close::SubprotocolNotAcceptable)
        };
        if let End::Close(close) = end {
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

impl Step {
    /// Whether nothing comes after it.
    fn is_last(&self) -> bool {
        matches!(self, Self::Error(_) | Self::Complete)
    }

    /// The message that says it, of the operation `id`.
    fn message(&self, id: &str) -> Message {
        let text = match self {
            Self::Event(rendering) => protocol::next(id, &rendering.payload),
            Self::Result(json) => protocol::next(id, json),
            Self::Error(json) => protocol::error(id, json),
            Self::Complete => protocol::complete(id),
        };
        Message::Text(Utf8Bytes::from(text))
    }
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

    /// Reads and writes until there is a reason to end.
    async fn serve(&mut self) -> End {
        match self.converse().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn converse(&mut self) -> Result<Infallible, End> {
        let init_timeout = sleep(self.transport.settings.ws_init_timeout);
        tokio::pin!(init_timeout);
        let every = self.transport.settings.keep_alive_interval;
        let mut ping = interval_at(Instant::now() + every, every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // What was said goes before the question whether anything was: the socket may have been busy with writing.
                biased;
                () = &mut init_timeout, if !self.acknowledged => return Err(End::Close(Close::InitTimeout)),
                message = self.socket.recv() => self.hear(message).await?,
                _ = ping.tick() => {
                    if self.last_heard.elapsed() >= every * SILENT_PINGS {
                        return Err(End::Close(Close::Silent));
                    }
                    self.write(Message::Ping(Bytes::new())).await?;
                }
                Some((id, step)) = self.operations.next() => self.say_gathered(id, step).await?,
            }
        }
    }

    /// Takes what came from the socket.
    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(error)) if is_too_big(&error) => return Err(End::Close(Close::MessageTooBig)),
            // Not even WebSocket, or a broken line, in which case nobody hears it.
            Some(Err(_)) => return Err(End::Close(Close::InvalidMessage)),
            None => return Err(End::Gone),
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
                self.resume = payload.map(|Object(init)| init.resume).unwrap_or_default();
                self.write(Message::text(protocol::ACK)).await
            }
            ClientMessage::Ping { payload } => self.write(Message::text(protocol::pong(payload))).await,
            ClientMessage::Pong { .. } => Ok(()),
            ClientMessage::Subscribe { .. } if !self.acknowledged => Err(End::Close(Close::Unauthorized)),
            ClientMessage::Subscribe { id, .. } if self.operations.contains_key(id.as_str()) => {
                Err(End::Close(Close::SubscriberExists))
            }
            ClientMessage::Subscribe { id, payload } => self.begin(id, payload.0).await,
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
        let mut gathered = 0;
        let mut ready = Some((id, step));
        while let Some((id, step)) = ready {
            if step.is_last() {
                // From here on the client may use the id again.
                self.operations.remove(&id);
            }
            self.in_time(async |socket| socket.feed(step.message(&id)).await).await?;
            gathered += 1;
            ready = if gathered < GATHER { self.what_is_ready().await } else { None };
        }
        self.in_time(async |socket| socket.flush().await).await
    }

    /// A step that can be said at once. Asks with the task's own waker: with another one, everything below would note that
    /// one now and the task's again at the next wait.
    async fn what_is_ready(&mut self) -> Option<(Arc<str>, Step)> {
        poll_fn(|task| match self.operations.poll_next_unpin(task) {
            Poll::Ready(ready) => Poll::Ready(ready),
            Poll::Pending => Poll::Ready(None),
        })
        .await
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
        self.operations.clear();
        let (code, reason) = close.frame();
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        let _ = timeout(CLOSE_WITHIN, async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.socket.recv().await {}
            }
        })
        .await;
        if close == Close::MessageTooBig {
            // The rest of the message is never read. To end now would reset the line, and the peer might not get to see
            // the close frame.
            sleep(CLOSE_WITHIN).await;
        }
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
        match Box::pin(panics::caught_in_answer(operations.run(parameters, circumstances))).await {
            Outcome::Answer(answer) => match answer.failure() {
                Some(Failure::Request | Failure::Method | Failure::Overload | Failure::Fault) => {
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
