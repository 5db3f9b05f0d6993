//! The `graphql-transport-ws` protocol: queries, mutations and subscriptions over one socket. Its messages are in `messages`.
//!
//! The next event is taken only once the last one is written, so a reader that stops reading falls behind in the room's log
//! and does not use memory of this process.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use futures_util::StreamExt as _;
use tokio_stream::StreamMap;
use tokio_tungstenite::tungstenite::Message;

use crate::error_code::ErrorCode;
use crate::graphql::execution::{Answer, CountedJson, Parameters, RequestContext, TransportKind};
use crate::graphql::transport::ws::close_code::CloseCode;
use crate::graphql::transport::ws::messages::{self, ClientMessage};
use crate::graphql::transport::ws::operation_stream::{OperationStream, Output};
use crate::graphql::transport::ws::socket::{End, Socket, SocketEvent};
use crate::graphql::transport::ws::wake_gate::WakeGate;

/// Maximum number of messages written before the socket is read again.
const MAX_BATCH: usize = 64;

/// Serves a socket until it ends. `request_id` is that of the upgrade; operations are logged under it.
pub(super) async fn run(socket: &mut Socket, request_id: Option<Arc<str>>) -> End {
    let mut connection = Connection { socket, request_id, resume: HashMap::new(), operations: StreamMap::new() };
    let Err(end) = connection.run().await;
    end
}

struct Connection<'a> {
    socket: &'a mut Socket,
    request_id: Option<Arc<str>>,
    /// Cursors from `connection_init`, by operation id.
    resume: HashMap<String, String>,
    /// Operations in progress, by id.
    operations: StreamMap<Arc<str>, OperationStream>,
}

impl Connection<'_> {
    async fn run(&mut self) -> Result<Infallible, End> {
        let gate = WakeGate::new();
        let mut is_flushed = false;
        loop {
            // Handle events first: an operation is in progress from the moment its message is received.
            let event = self.next_event(&gate, is_flushed).await;
            is_flushed = event.is_none() && self.flush_ready().await?;
            if let Some(event) = event
                && let Some(text) = self.socket.on_event(event).await?
            {
                self.on_message(ClientMessage::parse(&text).map_err(End::Close)?).await?;
            }
        }
    }

    /// Waits for an event of the socket. Returns `None` when the task is woken for something else, usually the output of an
    /// operation. Unless `is_flushed`, there may be more output already, so it does not wait.
    async fn next_event(&mut self, gate: &WakeGate, is_flushed: bool) -> Option<SocketEvent> {
        let mut has_waited = !is_flushed;
        poll_fn(|cx| match gate.poll(cx, |cx| self.socket.poll_event(cx)) {
            Poll::Ready(event) => Poll::Ready(Some(event)),
            Poll::Pending if std::mem::replace(&mut has_waited, true) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await
    }

    async fn on_message(&mut self, message: ClientMessage<'_>) -> Result<(), End> {
        match message {
            ClientMessage::ConnectionInit(_) if self.socket.is_acknowledged() => {
                Err(End::Close(CloseCode::TooManyInits))
            }
            ClientMessage::ConnectionInit(init) => {
                self.socket.acknowledge();
                let cursors = init.resume.into_iter().flatten();
                self.resume = cursors.filter_map(|(id, cursor)| Some((id, cursor?))).collect();
                self.socket.write(Message::text(messages::ACK)).await
            }
            ClientMessage::Ping(payload) => self.socket.write(Message::text(messages::pong(payload))).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe(..) if !self.socket.is_acknowledged() => Err(End::Close(CloseCode::Unauthorized)),
            ClientMessage::Subscribe(id, _) if self.operations.contains_key(id.as_str()) => {
                Err(End::Close(CloseCode::SubscriberExists))
            }
            ClientMessage::Subscribe(id, parameters) => match *parameters {
                Ok(parameters) => self.start_operation(id, parameters).await,
                Err(bad_request) => {
                    self.socket.state().executor.metrics().record_refused(bad_request.code().1);
                    let errors = bad_request.into_answer().errors_to_json();
                    self.socket.write(Message::text(messages::error(&id, &errors))).await
                }
            },
            ClientMessage::Complete(id) => {
                self.operations.remove(id.as_str());
                Ok(())
            }
        }
    }

    async fn start_operation(&mut self, id: String, parameters: Parameters) -> Result<(), End> {
        let state = self.socket.state();
        let limit = state.settings.max_subscriptions_per_socket;
        if self.operations.len() >= limit {
            let message = format!("this socket already has {limit} operations in progress, the maximum");
            let answer = Answer::refused(ErrorCode::TooManySubscriptions, message);
            return self.socket.write(Message::text(messages::error(&id, &answer.errors_to_json()))).await;
        }
        let context = RequestContext {
            client: self.socket.client(),
            transport: TransportKind::WebSocket,
            over_get: false,
            resume_after: self.resume.remove(&id),
        };
        let span = tracing::info_span!("operation", id = self.request_id.as_deref(), protocol = messages::NAME);
        let operation = OperationStream::start(state.executor.clone(), parameters, context, span);
        self.operations.insert(id.into(), operation);
        Ok(())
    }

    /// Writes the output that is ready, in as few writes as possible. Returns whether that was all of it and took no waiting. If
    /// so, every operation was just polled and will wake the task.
    async fn flush_ready(&mut self) -> Result<bool, End> {
        let mut count = 0;
        let mut is_all = false;
        while count < MAX_BATCH && !is_all {
            // Take an event only when there is capacity for it: its message may change while it waits.
            self.socket.wait_for_capacity().await?;
            match self.next_ready().await {
                Some((id, output)) => {
                    if output.is_last() {
                        // From now on the client may use the id again.
                        self.operations.remove(&id);
                    }
                    let CountedJson { json, permit } = messages::write(&id, output);
                    self.socket.buffer_text(json.into(), permit).await?;
                    count += 1;
                }
                None => is_all = true,
            }
        }
        let was_immediate = count == 0 || self.socket.flush().await?;
        Ok(is_all && was_immediate)
    }

    /// An output that is ready, if any.
    async fn next_ready(&mut self) -> Option<(Arc<str>, Output)> {
        poll_fn(|cx| match self.operations.poll_next_unpin(cx) {
            Poll::Ready(output) => Poll::Ready(output),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }
}
