//! Queries, mutations and subscriptions over WebSocket, in the `graphql-transport-ws` protocol. Its words are in `protocol`.
//!
//! One task a socket: it reads when something comes, and writes when something is to be said. It asks for the next event
//! only when the last one is written, so a reader that stops reading falls behind in the room's log and not in this
//! process's memory.
//!
//! Most of its work is to be woken for one event: that is taken, written, and the next one asked for. Whatever else may
//! happen to a socket is behind a `bell`.

mod operation_stream;
mod protocol;
mod wake_gate;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::WebSocketUpgrade;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Sink as _, SinkExt as _, StreamExt as _};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep, timeout};
use tokio_stream::StreamMap;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use tower_http::request_id::RequestId;

use crate::client_limit::ClientPermit;
use crate::domain::client_key::ClientKey;
use crate::graphql::execution::operation::{Carrier, Circumstances, Parameters};
use crate::graphql::execution::response::Answer;
use crate::graphql::execution::response_budget::Sized;
use crate::graphql::transport::http;
use crate::graphql::transport::negotiation::AnswerType;
use crate::graphql::transport::{Transport, client_key};
use crate::metrics::Held;

use crate::graphql::transport::ws::operation_stream::{Step, Steps};
use crate::graphql::transport::ws::protocol::{ClientMessage, Close};
use crate::graphql::transport::ws::wake_gate::Bell;

/// Bytes of a message from a client, at most.
const MESSAGE_MAX: usize = 64 * 1024;

/// Bytes read at once, which is as much as most clients ever say at once. Every socket holds so much room; the default would
/// be 128 KiB.
const READ_BUFFER: usize = 1024;

/// Bytes gathered before they are written. No more than these and one message ever wait to be written: the next message
/// is taken when they are gone.
const WRITE_BUFFER: usize = 8 * 1024;

/// Bytes of a frame. A larger message is written as several, because the buffer they are written from never shrinks.
const FRAGMENT: usize = 32 * 1024;

/// Bytes a second with which a message of several frames must be taken, once `WRITE_TIMEOUT` is over.
const RATE: usize = 16 * 1024;

/// How many pings a peer may let pass in silence before it counts as gone.
const SILENT_PINGS: u32 = 2;

/// How long a close frame may take to be written, and to be answered.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// Messages written before the socket is read again.
const GATHER: usize = 64;

/// Answers the upgrade, or says why not.
pub(super) fn accept(
    transport: Transport,
    upgrade: WebSocketUpgrade,
    connection: OnUpgrade,
    request: &Parts,
) -> Response {
    if transport.drain.has_begun() {
        let answer = Answer::refused("UNAVAILABLE", "this server is stopping; connect again");
        return http::write_as(AnswerType::Json, StatusCode::SERVICE_UNAVAILABLE, answer);
    }
    let client = client_key(&request.extensions);
    let Ok(permit) = transport.sockets.acquire(Some(client), 1) else {
        let answer = Answer::refused("TOO_MANY_SOCKETS", "this address has as many sockets as it may; close one first");
        return http::write_as(AnswerType::Json, StatusCode::TOO_MANY_REQUESTS, answer);
    };
    let name = request.extensions.get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).map(Arc::from);
    let upgrade = upgrade.protocols([protocol::NAME]);
    let is_ours = upgrade.selected_protocol().is_some();
    let answer = switch_protocols(&request.headers, upgrade.selected_protocol());
    let open = transport.drain.opened();
    let held = Held::by(&transport.operations.numbers().sockets);
    tokio::spawn(async move {
        let (_permit, _open, _held) = (permit, open, held);
        let Ok(upgraded) = connection.await else { return };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_message_size(Some(MESSAGE_MAX))
            .max_frame_size(Some(MESSAGE_MAX));
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let turn = transport.drain.clone().turn();
        let mut connection = Connection::new(socket, client, name, transport);
        let end = if is_ours {
            // When its turn to end has come, it ends, whatever it was waiting for. What it had taken but not written is
            // behind the cursor that the client has.
            tokio::select! {
                end = connection.serve() => end,
                () = wake_gate::only_when_rung(turn) => End::Close(Close::Restart),
            }
        } else {
            End::Close(Close::SubprotocolNotAcceptable)
        };
        if let End::Close(close) = end {
            connection.close(close).await;
        }
    });
    answer
}

/// The answer to a handshake that was found to be one.
fn switch_protocols(request: &HeaderMap, protocol: Option<&HeaderValue>) -> Response {
    let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let key = request.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
    if let Some(Ok(accepted)) = key.map(HeaderValue::try_from) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    }
    if let Some(protocol) = protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, protocol.clone());
    }
    response
}

/// Why a connection ends.
enum End {
    /// We close it.
    Close(Close),
    /// The peer closed it, or is gone.
    Gone,
}

/// What a socket waits for, besides what its operations say.
enum Happening {
    Heard(Option<Result<Message, tungstenite::Error>>),
    /// It is time to ask whether the peer is still there.
    PingDue,
    InitTimeout,
}

struct Connection {
    socket: Socket,
    /// Who asked for the upgrade.
    client: ClientKey,
    /// The request id of the upgrade.
    name: Option<Arc<str>>,
    transport: Transport,
    /// Whether the connection was acknowledged.
    acknowledged: bool,
    /// Cursors by operation id, from `connection_init`.
    resume: HashMap<String, String>,
    /// What is under way, by operation id.
    operations: StreamMap<Arc<str>, Steps>,
    last_heard: Instant,
    /// Bytes of the message that was last put behind those that wait to be written.
    last_fed: usize,
    /// Counts that message while it cannot be written at once.
    unsent: Option<ClientPermit>,
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

impl Connection {
    fn new(socket: Socket, client: ClientKey, name: Option<Arc<str>>, transport: Transport) -> Self {
        Self {
            socket,
            client,
            name,
            transport,
            acknowledged: false,
            resume: HashMap::new(),
            operations: StreamMap::new(),
            last_heard: Instant::now(),
            last_fed: 0,
            unsent: None,
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
        let mut init_timeout = pin!(sleep(self.transport.settings.ws_init_timeout));
        let every = self.transport.settings.keep_alive_interval;
        let mut ping = interval_at(Instant::now() + every, every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let bell = Bell::new();
        let mut said_all = false;
        loop {
            // What was heard goes before what is to be said: an operation is under way from the moment it was asked for.
            let happening = self.wait(&bell, init_timeout.as_mut(), &mut ping, said_all).await;
            said_all = happening.is_none() && self.say_what_is_ready().await?;
            match happening {
                Some(Happening::Heard(message)) => self.hear(message).await?,
                Some(Happening::InitTimeout) => return Err(End::Close(Close::InitTimeout)),
                Some(Happening::PingDue) if self.last_heard.elapsed() >= every * SILENT_PINGS => {
                    return Err(End::Close(Close::Silent));
                }
                Some(Happening::PingDue) => self.write(Message::Ping(Bytes::new())).await?,
                None => {}
            }
        }
    }

    /// What happens to the socket; `None` when the task is woken for something else, which an operation may have to say.
    /// Looked for, but not waited for, if there may be more to say already.
    async fn wait(
        &mut self,
        bell: &Bell,
        mut init_timeout: Pin<&mut Sleep>,
        ping: &mut Interval,
        said_all: bool,
    ) -> Option<Happening> {
        let mut waited = !said_all;
        poll_fn(|task| {
            let happening = bell.ask(task, |task| {
                if !self.acknowledged && init_timeout.as_mut().poll(task).is_ready() {
                    return Poll::Ready(Happening::InitTimeout);
                }
                // What was said goes before the question whether anything was: the socket may have been busy with writing.
                if let Poll::Ready(message) = self.socket.poll_next_unpin(task) {
                    return Poll::Ready(Happening::Heard(message));
                }
                ping.poll_tick(task).map(|_| Happening::PingDue)
            });
            match happening {
                Poll::Ready(happening) => Poll::Ready(Some(happening)),
                Poll::Pending if std::mem::replace(&mut waited, true) => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Takes what came from the socket.
    async fn hear(&mut self, message: Option<Result<Message, tungstenite::Error>>) -> Result<(), End> {
        let message = match message {
            Some(Ok(message)) => message,
            Some(Err(tungstenite::Error::Capacity(_))) => return Err(End::Close(Close::MessageTooBig)),
            // Not even WebSocket, or a broken line, in which case nobody hears it.
            Some(Err(_)) => return Err(End::Close(Close::InvalidMessage)),
            None => return Err(End::Gone),
        };
        self.last_heard = Instant::now();
        match message {
            Message::Text(text) => self.obey(ClientMessage::read(&text).map_err(End::Close)?).await,
            Message::Binary(_) => Err(End::Close(Close::InvalidMessage)),
            // The socket answers pings by itself, and a close frame too before it ends.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => Ok(()),
        }
    }

    async fn obey(&mut self, message: ClientMessage<'_>) -> Result<(), End> {
        match message {
            ClientMessage::ConnectionInit(_) if self.acknowledged => Err(End::Close(Close::TooManyInits)),
            ClientMessage::ConnectionInit(init) => {
                self.acknowledged = true;
                let cursors = init.resume.into_iter().flatten();
                self.resume = cursors.filter_map(|(id, cursor)| Some((id, cursor?))).collect();
                self.write(Message::text(protocol::ACK)).await
            }
            ClientMessage::Ping(payload) => self.write(Message::text(protocol::pong(payload))).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe(..) if !self.acknowledged => Err(End::Close(Close::Unauthorized)),
            ClientMessage::Subscribe(id, _) if self.operations.contains_key(id.as_str()) => {
                Err(End::Close(Close::SubscriberExists))
            }
            ClientMessage::Subscribe(id, parameters) => match *parameters {
                Ok(parameters) => self.begin(id, parameters).await,
                Err(bad) => {
                    self.transport.operations.numbers().refused(bad.code().1);
                    self.write(Message::text(protocol::error(&id, &bad.answer().errors_to_json()))).await
                }
            },
            ClientMessage::Complete(id) => {
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
        let circumstances = Circumstances {
            client: self.client,
            carrier: Carrier::WebSocket,
            over_get: false,
            resume_after: self.resume.remove(&id),
        };
        let span = tracing::info_span!("operation", id = self.name.as_deref());
        let steps = Steps::of(self.transport.operations.clone(), parameters, circumstances, span);
        self.operations.insert(id.into(), steps);
        Ok(())
    }

    /// Says what the operations have to say, in as few writes as it takes. Whether that was all and was written at once:
    /// then they were asked with nothing in between, and will wake the task when there is more.
    async fn say_what_is_ready(&mut self) -> Result<bool, End> {
        let mut gathered = 0;
        let mut is_all = false;
        while gathered < GATHER && !is_all {
            // An event is taken when there is room for it and not before: while it waits, its message may change.
            self.wait_for_room().await?;
            match self.what_is_ready().await {
                Some((id, step)) => {
                    if step.is_last() {
                        // From here on the client may use the id again.
                        self.operations.remove(&id);
                    }
                    let Sized { json, permit } = protocol::step(&id, step);
                    self.feed_text(json, permit).await?;
                    gathered += 1;
                }
                None => is_all = true,
            }
        }
        let at_once = gathered == 0 || self.flush().await?;
        Ok(is_all && at_once)
    }

    /// A step that can be said at once.
    async fn what_is_ready(&mut self) -> Option<(Arc<str>, Step)> {
        poll_fn(|task| match self.operations.poll_next_unpin(task) {
            Poll::Ready(ready) => Poll::Ready(ready),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        self.feed(message).await?;
        self.flush().await?;
        Ok(())
    }

    /// Puts a message behind those that wait to be written, once there is room.
    async fn feed(&mut self, message: Message) -> Result<(), End> {
        self.wait_for_room().await?;
        self.last_fed = message.len();
        self.socket.start_send_unpin(message).map_err(|_| End::Gone)
    }

    /// As [`feed`](Self::feed), of a text that may be large and is counted by `permit` if it is.
    async fn feed_text(&mut self, text: String, permit: Option<ClientPermit>) -> Result<(), End> {
        if text.len() <= FRAGMENT {
            return self.feed(Message::text(text)).await;
        }
        self.wait_for_room().await?;
        self.unsent = permit;
        // In a box, as every socket would otherwise keep room for it.
        Box::pin(self.feed_in_fragments(text.into())).await
    }

    /// Puts a text there in parts, each when there is room for it: the socket keeps a buffer as large as the largest part.
    async fn feed_in_fragments(&mut self, mut text: Bytes) -> Result<(), End> {
        let size = text.len();
        let until = Instant::now() + self.transport.settings.write_timeout + Duration::from_secs((size / RATE) as u64);
        let mut kind = Data::Text;
        while !text.is_empty() {
            if Instant::now() > until {
                return Err(End::Close(Close::TooSlow));
            }
            let part = text.split_to(text.len().min(FRAGMENT));
            self.feed(Message::Frame(Frame::message(part, OpCode::Data(kind), text.is_empty()))).await?;
            // Whoever takes bytes is there, even if it has not been asked or read meanwhile.
            self.last_heard = Instant::now();
            // The whole text is in memory until its last part is written.
            self.last_fed = size;
            kind = Data::Continue;
        }
        self.last_fed = FRAGMENT;
        Ok(())
    }

    /// Waits until there is room for a message.
    async fn wait_for_room(&mut self) -> Result<(), End> {
        self.in_time(|socket, task| socket.poll_ready(task)).await.map(drop)
    }

    /// Writes what waits. Whether that could be done at once.
    async fn flush(&mut self) -> Result<bool, End> {
        let at_once = self.in_time(|socket, task| socket.poll_flush(task)).await?;
        self.last_fed = 0;
        self.unsent = None;
        Ok(at_once)
    }

    /// Writes a little, in the time that a peer has for that: many little writes may take longer together. Whether it could
    /// be done at once, which is what almost always happens, and sets no timer.
    async fn in_time(
        &mut self,
        write: impl Fn(Pin<&mut Socket>, &mut Context<'_>) -> Poll<Result<(), tungstenite::Error>>,
    ) -> Result<bool, End> {
        let mut deadline: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|task| match write(Pin::new(&mut self.socket), task) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(deadline.is_none())),
            Poll::Ready(Err(_)) => Poll::Ready(Err(End::Gone)),
            Poll::Pending => {
                // Now the message stays in memory for as long as the peer likes.
                if self.unsent.is_none() && self.last_fed > WRITE_BUFFER {
                    match self.transport.operations.unsent().reserve(self.client, self.last_fed) {
                        Ok(permit) => self.unsent = Some(permit),
                        Err(_) => return Poll::Ready(Err(End::Close(Close::TooSlow))),
                    }
                }
                let within = self.transport.settings.write_timeout;
                let deadline = deadline.get_or_insert_with(|| Box::pin(sleep(within)));
                deadline.as_mut().poll(task).map(|()| Err(End::Close(Close::TooSlow)))
            }
        })
        .await
    }

    /// Says why the socket is closed, and waits a moment for the peer to have heard it.
    async fn close(&mut self, close: Close) {
        self.operations.clear();
        let (code, reason) = close.frame();
        let frame = CloseFrame { code: code.into(), reason: Utf8Bytes::from_static(reason) };
        let _ = timeout(CLOSE_WITHIN, async {
            if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
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
