//! A server-side WebSocket whose writes are bounded in time and memory, and which detects peers that are gone.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use futures_util::{Sink as _, SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use crate::client_limit::ClientPermit;
use crate::domain::client_key::ClientKey;
use crate::graphql::transport::state::TransportState;
use crate::graphql::transport::ws::close_code::CloseCode;

/// Maximum bytes of a message from a client.
const MAX_MESSAGE_SIZE: usize = 64 * 1024;

/// Maximum bytes of one read. Every socket holds a buffer of this size, and few clients ever send more at once. The default would
/// be 128 KiB.
const READ_BUFFER_SIZE: usize = 1024;

/// Buffered bytes from which on they are written. At most these and one message wait: the next message is taken once they are
/// written.
const WRITE_BUFFER_SIZE: usize = 8 * 1024;

/// Maximum bytes of a frame. A larger message is sent in several frames, because the write buffer never shrinks.
const MAX_FRAME_SIZE: usize = 32 * 1024;

/// Bytes per second that a peer must accept of a message of several frames, with `WRITE_TIMEOUT` added once.
const MIN_WRITE_RATE: usize = 16 * 1024;

/// Number of ping intervals without any frame from the peer after which it counts as gone.
const MAX_MISSED_PINGS: u32 = 2;

/// Timeout for sending the close frame and receiving the peer's.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a connection ends.
pub(super) enum End {
    /// The server closes it.
    Close(CloseCode),
    /// The peer has closed it, or is gone.
    Gone,
}

/// What happens to a socket, apart from the output of its operations.
pub(super) enum SocketEvent {
    Frame(Option<Result<Message, tungstenite::Error>>),
    PingDue,
    InitTimeout,
}

/// An open WebSocket.
pub(super) struct Socket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    client: ClientKey,
    state: Arc<TransportState>,
    /// `None` once the connection is acknowledged.
    init_timeout: Option<Pin<Box<Sleep>>>,
    ping: Interval,
    /// A message to send with every ping.
    keep_alive: Option<&'static str>,
    last_received: Instant,
    /// Bytes of the last message that was buffered for writing.
    last_buffered: usize,
    /// Counts that message while the peer does not accept it.
    unsent: Option<ClientPermit>,
}

impl Socket {
    pub(super) async fn new(upgraded: Upgraded, client: ClientKey, state: Arc<TransportState>) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_SIZE)
            .write_buffer_size(WRITE_BUFFER_SIZE)
            .max_message_size(Some(MAX_MESSAGE_SIZE))
            .max_frame_size(Some(MAX_MESSAGE_SIZE));
        let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let interval = state.settings.keep_alive_interval;
        let mut ping = interval_at(Instant::now() + interval, interval);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let init_timeout = Some(Box::pin(sleep(state.settings.ws_init_timeout)));
        let last_received = Instant::now();
        Self {
            stream,
            client,
            state,
            init_timeout,
            ping,
            keep_alive: None,
            last_received,
            last_buffered: 0,
            unsent: None,
        }
    }

    pub(super) const fn client(&self) -> ClientKey {
        self.client
    }

    pub(super) const fn state(&self) -> &Arc<TransportState> {
        &self.state
    }

    /// Whether the connection is acknowledged.
    pub(super) const fn is_acknowledged(&self) -> bool {
        self.init_timeout.is_none()
    }

    /// Marks the connection as acknowledged, which ends the init timeout.
    pub(super) fn acknowledge(&mut self) {
        self.init_timeout = None;
    }

    /// Sends `message` with every ping from now on.
    pub(super) const fn keep_alive_with(&mut self, message: &'static str) {
        self.keep_alive = Some(message);
    }

    /// Polls for the next event.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SocketEvent> {
        if self.init_timeout.as_mut().is_some_and(|timeout| timeout.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(SocketEvent::InitTimeout);
        }
        // Read frames before checking the ping timer: they may have arrived while the socket was busy writing.
        if let Poll::Ready(frame) = self.stream.poll_next_unpin(cx) {
            return Poll::Ready(SocketEvent::Frame(frame));
        }
        self.ping.poll_tick(cx).map(|_| SocketEvent::PingDue)
    }

    /// Handles an event. Returns the text if it is a text frame.
    pub(super) async fn on_event(&mut self, event: SocketEvent) -> Result<Option<Utf8Bytes>, End> {
        match event {
            SocketEvent::Frame(frame) => self.on_frame(frame),
            SocketEvent::InitTimeout => Err(End::Close(CloseCode::InitTimeout)),
            SocketEvent::PingDue => {
                if self.last_received.elapsed() >= self.state.settings.keep_alive_interval * MAX_MISSED_PINGS {
                    return Err(End::Close(CloseCode::PingTimeout));
                }
                self.write(Message::Ping(Bytes::new())).await?;
                if let Some(message) = self.keep_alive {
                    self.write(Message::text(message)).await?;
                }
                Ok(None)
            }
        }
    }

    fn on_frame(&mut self, frame: Option<Result<Message, tungstenite::Error>>) -> Result<Option<Utf8Bytes>, End> {
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(tungstenite::Error::Capacity(_))) => return Err(End::Close(CloseCode::MessageTooBig)),
            // A violation of the WebSocket protocol, or a broken connection, on which the close frame is lost.
            Some(Err(_)) => return Err(End::Close(CloseCode::InvalidMessage)),
            None => return Err(End::Gone),
        };
        self.last_received = Instant::now();
        match frame {
            Message::Text(text) => Ok(Some(text)),
            Message::Binary(_) => Err(End::Close(CloseCode::InvalidMessage)),
            // tungstenite answers pings and close frames.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) | Message::Frame(_) => Ok(None),
        }
    }

    /// Writes a small message.
    pub(super) async fn write(&mut self, message: Message) -> Result<(), End> {
        self.buffer(message).await?;
        self.flush().await?;
        Ok(())
    }

    /// Buffers a small message for writing, once there is capacity.
    async fn buffer(&mut self, message: Message) -> Result<(), End> {
        self.wait_for_capacity().await?;
        self.last_buffered = message.len();
        self.stream.start_send_unpin(message).map_err(|_| End::Gone)
    }

    /// Buffers a text of any size for writing. `permit` counts it if it is large.
    pub(super) async fn buffer_text(&mut self, text: Utf8Bytes, permit: Option<ClientPermit>) -> Result<(), End> {
        if text.len() <= MAX_FRAME_SIZE {
            return self.buffer(Message::Text(text)).await;
        }
        self.wait_for_capacity().await?;
        self.unsent = permit;
        // Boxed, because the task of every socket would otherwise reserve memory for this future.
        Box::pin(self.buffer_in_frames(text.into())).await
    }

    /// Buffers a text frame by frame, each once there is capacity: the buffer grows to the size of the largest frame.
    async fn buffer_in_frames(&mut self, mut text: Bytes) -> Result<(), End> {
        let size = text.len();
        let seconds_at_min_rate = (size / MIN_WRITE_RATE) as u64;
        let deadline = Instant::now() + self.state.settings.write_timeout + Duration::from_secs(seconds_at_min_rate);
        let mut kind = Data::Text;
        while !text.is_empty() {
            if Instant::now() > deadline {
                return Err(End::Close(CloseCode::TooSlow));
            }
            let part = text.split_to(text.len().min(MAX_FRAME_SIZE));
            self.buffer(Message::Frame(Frame::message(part, OpCode::Data(kind), text.is_empty()))).await?;
            // A peer that accepts bytes is there, even though nothing is read from it meanwhile.
            self.last_received = Instant::now();
            // The whole text stays in memory until its last frame is written.
            self.last_buffered = size;
            kind = Data::Continue;
        }
        self.last_buffered = MAX_FRAME_SIZE;
        Ok(())
    }

    /// Waits until a message can be buffered.
    pub(super) async fn wait_for_capacity(&mut self) -> Result<(), End> {
        self.with_write_timeout(|stream, cx| stream.poll_ready(cx)).await.map(drop)
    }

    /// Writes what is buffered. Returns whether that took no waiting.
    pub(super) async fn flush(&mut self) -> Result<bool, End> {
        let was_immediate = self.with_write_timeout(|stream, cx| stream.poll_flush(cx)).await?;
        self.last_buffered = 0;
        self.unsent = None;
        Ok(was_immediate)
    }

    /// Polls `write` until it is ready or the write timeout has passed. Returns whether it was ready at once. That is the usual
    /// case, and sets no timer.
    async fn with_write_timeout(
        &mut self,
        write: impl Fn(Pin<&mut WebSocketStream<TokioIo<Upgraded>>>, &mut Context<'_>) -> Poll<tungstenite::Result<()>>,
    ) -> Result<bool, End> {
        let mut deadline: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| match write(Pin::new(&mut self.stream), cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(deadline.is_none())),
            Poll::Ready(Err(_)) => Poll::Ready(Err(End::Gone)),
            Poll::Pending => {
                // From now on the peer decides how long the message stays in memory.
                if self.unsent.is_none() && self.last_buffered > WRITE_BUFFER_SIZE {
                    match self.state.executor.unsent().reserve(self.client, self.last_buffered) {
                        Ok(permit) => self.unsent = Some(permit),
                        Err(_) => return Poll::Ready(Err(End::Close(CloseCode::TooSlow))),
                    }
                }
                let timeout = self.state.settings.write_timeout;
                let deadline = deadline.get_or_insert_with(|| Box::pin(sleep(timeout)));
                deadline.as_mut().poll(cx).map(|()| Err(End::Close(CloseCode::TooSlow)))
            }
        })
        .await
    }

    /// Sends a close frame and waits a moment for the peer's.
    pub(super) async fn close(mut self, code: CloseCode) {
        let (number, reason) = code.frame();
        let frame = CloseFrame { code: number.into(), reason: Utf8Bytes::from_static(reason) };
        let _ = timeout(CLOSE_TIMEOUT, async {
            if self.stream.send(Message::Close(Some(frame))).await.is_ok() {
                while let Some(Ok(_)) = self.stream.next().await {}
            }
        })
        .await;
        if code == CloseCode::MessageTooBig {
            // The rest of the message is never read. Ending at once would reset the connection, and the peer might not see
            // the close frame.
            sleep(CLOSE_TIMEOUT).await;
        }
    }
}
