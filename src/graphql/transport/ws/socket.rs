//! A server-side WebSocket whose writes are bounded in time and memory, and which detects peers that are gone.

use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, ReadBuf};
use tokio::time::{Instant, Interval, MissedTickBehavior, Sleep, interval_at, sleep, timeout};
use tokio_util::either::Either;

use crate::client_limit::ClientPermit;
use crate::counted_connection::CountedConnection;
use crate::domain::client_key::ClientKey;
use crate::graphql::transport::state::TransportState;
use crate::graphql::transport::ws::close_code::CloseCode;
use crate::graphql::transport::ws::frames::{self, FrameKind, Message, Parser};

/// Maximum bytes of one read.
const READ_SIZE: usize = 4 * 1024;

/// Another message is accepted while fewer bytes than this are buffered, so at most this many and one message wait.
const WRITE_BUFFER_SIZE: usize = 8 * 1024;

/// Maximum bytes of one write to a connection over TLS or HTTP/2, which takes up to four writes ahead of its peer.
const UPGRADED_WRITE_SIZE: usize = 8 * 1024;

/// Maximum payload of a frame, in bytes. A larger text is sent in several frames, each buffered when the previous one is written.
const MAX_FRAME_SIZE: usize = 32 * 1024;

/// Rate at which a peer must accept a text of several frames, in bytes per second. It gets `WRITE_TIMEOUT` in addition.
const MIN_WRITE_RATE: usize = 16 * 1024;

/// A peer counts as gone after this many ping intervals without a complete message from it.
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
    Received(Result<Message, End>),
    PingDue,
    InitTimeout,
}

/// The TCP connection, or one that was upgraded over TLS or HTTP/2.
pub(super) type Connection = Either<CountedConnection, TokioIo<Upgraded>>;

/// An open WebSocket.
pub(super) struct Socket {
    connection: Connection,
    parser: Parser,
    /// Frames to write. Holds no memory while there are none.
    buffer: Vec<u8>,
    /// Bytes of `buffer` that are written.
    written: usize,
    /// Whether the connection may hold written bytes back until it is flushed.
    needs_flush: bool,
    /// A text to write once `buffer` is written, frame by frame.
    large_text: Option<Box<LargeText>>,
    /// The payload of the last ping that is not answered yet.
    unanswered_ping: Option<Vec<u8>>,
    client: ClientKey,
    state: Arc<TransportState>,
    /// `None` once the connection is acknowledged.
    init_timeout: Option<Pin<Box<Sleep>>>,
    ping: Interval,
    /// A message to send with every ping.
    keep_alive: Option<&'static str>,
    last_received: Instant,
    /// Bytes of the last text that was buffered.
    last_buffered: usize,
    /// Counts that text while the peer does not accept it.
    unsent: Option<ClientPermit>,
}

/// A text of several frames.
struct LargeText {
    text: String,
    /// Bytes of it that are in frames already.
    framed: usize,
    deadline: Instant,
}

impl Socket {
    /// A socket over an upgraded connection. `received` has the bytes that arrived together with the handshake.
    pub(super) fn new(connection: Connection, received: &[u8], client: ClientKey, state: Arc<TransportState>) -> Self {
        let mut parser = Parser::default();
        parser.push(received);
        let interval = state.settings.keep_alive_interval;
        let mut ping = interval_at(Instant::now() + interval, interval);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let init_timeout = Some(Box::pin(sleep(state.settings.ws_init_timeout)));
        Self {
            connection,
            parser,
            buffer: Vec::new(),
            written: 0,
            needs_flush: false,
            large_text: None,
            unanswered_ping: None,
            client,
            state,
            init_timeout,
            ping,
            keep_alive: None,
            last_received: Instant::now(),
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
        // Read before checking the ping timer: messages may have arrived while the socket was busy writing.
        if let Poll::Ready(received) = self.poll_receive(cx) {
            return Poll::Ready(SocketEvent::Received(received));
        }
        self.ping.poll_tick(cx).map(|_| SocketEvent::PingDue)
    }

    /// Polls for the next message of the peer. Replies to the last ping as soon as the peer accepts bytes.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, End>> {
        loop {
            if self.unanswered_ping.is_some() || !self.buffer.is_empty() || self.needs_flush {
                let _is_written = self.poll_write(cx)?;
            }
            match self.parser.next().map_err(End::Close)? {
                Some(Message::Ping(payload)) => {
                    self.last_received = Instant::now();
                    self.unanswered_ping = Some(payload);
                }
                Some(message) => {
                    self.last_received = Instant::now();
                    return Poll::Ready(Ok(message));
                }
                None => {
                    let mut bytes = [MaybeUninit::uninit(); READ_SIZE];
                    let mut bytes = ReadBuf::uninit(&mut bytes);
                    let read = ready!(Pin::new(&mut self.connection).poll_read(cx, &mut bytes));
                    if read.is_err() || bytes.filled().is_empty() {
                        return Poll::Ready(Err(End::Gone));
                    }
                    self.parser.push(bytes.filled());
                }
            }
        }
    }

    /// Handles an event. Returns the text if it is a text message.
    pub(super) async fn on_event(&mut self, event: SocketEvent) -> Result<Option<String>, End> {
        match event {
            SocketEvent::Received(message) => match message? {
                Message::Text(text) => Ok(Some(text)),
                Message::Ping(_) | Message::Pong => Ok(None),
                Message::Close(payload) => {
                    frames::write(&mut self.buffer, FrameKind::Close, &[payload]);
                    // Boxed, because the task of every socket would otherwise reserve memory for this future.
                    let _is_written = Box::pin(timeout(CLOSE_TIMEOUT, self.flush())).await;
                    Err(End::Gone)
                }
            },
            SocketEvent::InitTimeout => Err(End::Close(CloseCode::InitTimeout)),
            SocketEvent::PingDue => {
                if self.last_received.elapsed() >= self.state.settings.keep_alive_interval * MAX_MISSED_PINGS {
                    return Err(End::Close(CloseCode::PingTimeout));
                }
                self.wait_for_capacity().await?;
                frames::write(&mut self.buffer, FrameKind::Ping, &[""]);
                if let Some(message) = self.keep_alive {
                    self.buffer_text(&[message], None);
                }
                self.flush().await?;
                Ok(None)
            }
        }
    }

    /// Writes a text.
    pub(super) async fn write(&mut self, text: &str) -> Result<(), End> {
        self.wait_for_capacity().await?;
        self.buffer_text(&[text], None);
        self.flush().await?;
        Ok(())
    }

    /// Waits until a text can be buffered.
    pub(super) async fn wait_for_capacity(&mut self) -> Result<(), End> {
        if self.buffer.len() >= WRITE_BUFFER_SIZE || self.large_text.is_some() {
            self.flush().await?;
        }
        Ok(())
    }

    /// Buffers a text, given in parts. `permit` counts it if it is large. Call it after
    /// [`wait_for_capacity`](Self::wait_for_capacity).
    pub(super) fn buffer_text(&mut self, parts: &[&str], permit: Option<ClientPermit>) {
        self.last_buffered = parts.iter().map(|part| part.len()).sum();
        self.unsent = permit;
        if self.last_buffered <= MAX_FRAME_SIZE {
            return frames::write(&mut self.buffer, FrameKind::Text, parts);
        }
        let seconds_at_min_rate = (self.last_buffered / MIN_WRITE_RATE) as u64;
        let deadline = Instant::now() + self.state.settings.write_timeout + Duration::from_secs(seconds_at_min_rate);
        self.large_text = Some(Box::new(LargeText { text: parts.concat(), framed: 0, deadline }));
    }

    /// Writes what is buffered. Returns whether that took no waiting. Fails if the peer takes longer than the write timeout to
    /// accept it; each frame of a large text has a timeout of its own.
    pub(super) async fn flush(&mut self) -> Result<bool, End> {
        // Set when the peer first accepts no more bytes, and again for each frame of a large text.
        let mut stall: Option<(usize, Pin<Box<Sleep>>)> = None;
        poll_fn(|cx| match self.poll_write(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => {
                // From now on the peer decides how long the text stays in memory.
                if self.unsent.is_none() && self.last_buffered > WRITE_BUFFER_SIZE {
                    match self.state.executor.unsent().reserve(self.client, self.last_buffered) {
                        Ok(permit) => self.unsent = Some(permit),
                        Err(_) => return Poll::Ready(Err(End::Close(CloseCode::TooSlow))),
                    }
                }
                let framed = self.large_text.as_ref().map_or(0, |large| large.framed);
                let (_, timeout) = match stall.take() {
                    Some(known) if known.0 == framed => stall.insert(known),
                    _ => stall.insert((framed, Box::pin(sleep(self.state.settings.write_timeout)))),
                };
                timeout.as_mut().poll(cx).map(|()| Err(End::Close(CloseCode::TooSlow)))
            }
        })
        .await?;
        self.last_buffered = 0;
        self.unsent = None;
        Ok(stall.is_none())
    }

    /// Writes what is buffered, as far as the peer accepts bytes.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), End>> {
        loop {
            while self.written < self.buffer.len() {
                let unwritten = &self.buffer[self.written..];
                let written = match &mut self.connection {
                    Either::Left(connection) => Pin::new(connection).poll_write(cx, unwritten),
                    Either::Right(upgraded) => {
                        self.needs_flush = true;
                        Pin::new(upgraded).poll_write(cx, &unwritten[..unwritten.len().min(UPGRADED_WRITE_SIZE)])
                    }
                };
                match ready!(written) {
                    Ok(0) | Err(_) => return Poll::Ready(Err(End::Gone)),
                    Ok(bytes) => self.written += bytes,
                }
            }
            self.buffer.clear();
            self.written = 0;
            if let Some(payload) = self.unanswered_ping.take() {
                frames::write(&mut self.buffer, FrameKind::Pong, &[payload]);
            } else if !self.buffer_next_frame()? {
                // Free the memory: there are many sockets, and most of them write seldom.
                self.buffer = Vec::new();
                if let Either::Right(upgraded) = &mut self.connection
                    && self.needs_flush
                {
                    ready!(Pin::new(upgraded).poll_flush(cx)).map_err(|_| End::Gone)?;
                    self.needs_flush = false;
                }
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Buffers the next frame of a large text. Returns whether there was one.
    fn buffer_next_frame(&mut self) -> Result<bool, End> {
        let Some(large) = &mut self.large_text else { return Ok(false) };
        if Instant::now() > large.deadline {
            return Err(End::Close(CloseCode::TooSlow));
        }
        let rest = &large.text.as_bytes()[large.framed..];
        let kind = match (large.framed == 0, rest.len() <= MAX_FRAME_SIZE) {
            (true, _) => FrameKind::FirstPart,
            (false, false) => FrameKind::Part,
            (false, true) => FrameKind::LastPart,
        };
        let part = &rest[..rest.len().min(MAX_FRAME_SIZE)];
        frames::write(&mut self.buffer, kind, &[part]);
        large.framed += part.len();
        if large.framed == large.text.len() {
            self.large_text = None;
        }
        // A peer that accepts bytes is not gone, even though nothing is read from it meanwhile.
        self.last_received = Instant::now();
        Ok(true)
    }

    /// Sends a close frame and waits a moment for the peer's.
    pub(super) async fn close(mut self, code: CloseCode) {
        let (number, reason) = code.frame();
        // A control frame may come between the frames of a large text, whose rest is not sent.
        self.large_text = None;
        frames::write(&mut self.buffer, FrameKind::Close, &[&number.to_be_bytes()[..], reason.as_bytes()]);
        let _ = timeout(CLOSE_TIMEOUT, async {
            if poll_fn(|cx| self.poll_write(cx)).await.is_err() {
                return;
            }
            loop {
                match poll_fn(|cx| self.poll_receive(cx)).await {
                    Ok(Message::Close(_)) | Err(End::Gone) => return,
                    Ok(_) => {}
                    Err(End::Close(_)) => return self.discard_rest().await,
                }
            }
        })
        .await;
    }

    /// Reads what the peer still sends, which cannot be parsed, until the peer is gone. Ending at once would reset the
    /// connection, and the peer might not see the close frame.
    async fn discard_rest(&mut self) {
        let mut bytes = Box::new([0; READ_SIZE]);
        while matches!(self.connection.read(&mut bytes[..]).await, Ok(1..)) {}
    }
}
