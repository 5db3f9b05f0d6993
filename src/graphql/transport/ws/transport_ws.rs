//! The `graphql-transport-ws` protocol: queries, mutations and subscriptions over one socket. Its messages are in `messages`.
//!
//! The next event is taken only once the last one is written, so a reader that stops reading falls behind in the room's log
//! and does not use memory of this process.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;

use crate::error_code::ErrorCode;
use crate::graphql::execution::{Answer, CountedJson, Parameters, RequestContext, TransportKind};
use crate::graphql::transport::request::BadRequest;
use crate::graphql::transport::ws::close_code::CloseCode;
use crate::graphql::transport::ws::messages::{self, ClientMessage};
use crate::graphql::transport::ws::operation_stream::{OperationStream, Output};
use crate::graphql::transport::ws::socket::{End, Socket, SocketEvent};
use crate::graphql::transport::ws::wake_gate::WakeGate;

/// Maximum number of messages written before the socket is read again.
const MAX_BATCH: usize = 64;

/// Serves a socket until it ends. `request_id` is that of the upgrade; operations are logged under it.
pub(super) async fn run(socket: &mut Socket, request_id: Option<Arc<str>>) -> End {
    let mut connection =
        Connection { socket, request_id, resume: BTreeMap::new(), operations: Vec::new(), next_operation: 0 };
    let Err(end) = connection.run().await;
    end
}

struct Connection<'a> {
    socket: &'a mut Socket,
    request_id: Option<Arc<str>>,
    /// Cursors from `connection_init`, by operation id.
    resume: BTreeMap<String, String>,
    /// Operations in progress.
    operations: Vec<Operation>,
    /// The operation to poll first, so that all of them have their turn.
    next_operation: usize,
}

/// An operation in progress.
struct Operation {
    /// The id as it is written in a JSON string.
    id: Box<str>,
    output: OperationStream,
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
                && let Some(reply) = self.on_message(&text)?
            {
                self.socket.write(&reply).await?;
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

    /// Handles a message. Returns the immediate reply, if there is one.
    fn on_message(&mut self, text: &str) -> Result<Option<String>, End> {
        match ClientMessage::parse(text).map_err(End::Close)? {
            ClientMessage::ConnectionInit(_) if self.socket.is_acknowledged() => {
                Err(End::Close(CloseCode::TooManyInits))
            }
            ClientMessage::ConnectionInit(init) => {
                self.socket.acknowledge();
                let cursors = init.resume.into_iter().flatten();
                self.resume = cursors.filter_map(|(id, cursor)| Some((id, cursor?))).collect();
                Ok(Some(messages::ACK.to_owned()))
            }
            ClientMessage::Ping(payload) => Ok(Some(messages::pong(payload))),
            ClientMessage::Pong => Ok(None),
            ClientMessage::Subscribe(..) if !self.socket.is_acknowledged() => Err(End::Close(CloseCode::Unauthorized)),
            ClientMessage::Subscribe(id, parameters) => self.start_operation(&id, *parameters),
            ClientMessage::Complete(id) => {
                let id = messages::escaped(&id);
                self.operations.retain(|operation| *operation.id != *id);
                Ok(None)
            }
        }
    }

    fn start_operation(&mut self, id: &str, parameters: Result<Parameters, BadRequest>) -> Result<Option<String>, End> {
        let escaped_id = messages::escaped(id);
        if self.operations.iter().any(|operation| *operation.id == *escaped_id) {
            return Err(End::Close(CloseCode::SubscriberExists));
        }
        let state = self.socket.state();
        let parameters = match parameters {
            Ok(parameters) => parameters,
            Err(bad_request) => {
                state.executor.metrics().record_refused(bad_request.code().1);
                return Ok(Some(messages::error(&escaped_id, &bad_request.into_answer().errors_to_json()).concat()));
            }
        };
        let limit = state.settings.max_subscriptions_per_socket;
        if self.operations.len() >= limit {
            let message = format!("this socket already has {limit} operations in progress, the maximum");
            let answer = Answer::refused(ErrorCode::TooManySubscriptions, message);
            return Ok(Some(messages::error(&escaped_id, &answer.errors_to_json()).concat()));
        }
        let context = RequestContext {
            client: self.socket.client(),
            transport: TransportKind::WebSocket,
            over_get: false,
            resume_after: self.resume.remove(id),
        };
        let span = tracing::info_span!("operation", id = self.request_id.as_deref(), protocol = messages::NAME);
        let output = OperationStream::start(Arc::clone(state), parameters, context, span);
        // Most sockets have a single operation.
        self.operations.reserve_exact(1);
        self.operations.push(Operation { id: escaped_id.into(), output });
        Ok(None)
    }

    /// Writes the output that is ready, in as few writes as possible. Returns whether that was all of it and took no waiting. If
    /// so, every operation was just polled and will wake the task.
    async fn flush_ready(&mut self) -> Result<bool, End> {
        let mut is_all = false;
        for _ in 0..MAX_BATCH {
            // Take an event only when there is capacity for it: its message may change while it waits.
            self.socket.wait_for_capacity().await?;
            is_all = !poll_fn(|cx| Poll::Ready(self.buffer_output(cx))).await;
            if is_all {
                break;
            }
        }
        Ok(self.socket.flush().await? && is_all)
    }

    /// Buffers an output that is ready. Returns whether there was one.
    fn buffer_output(&mut self, cx: &mut Context<'_>) -> bool {
        let count = self.operations.len();
        for i in 0..count {
            let index = (self.next_operation + i) % count;
            let operation = &mut self.operations[index];
            if let Poll::Ready(Some(output)) = operation.output.poll_next_unpin(cx) {
                let is_last = output.is_last();
                buffer(self.socket, &operation.id, output);
                if is_last {
                    // From now on the client may use the id again.
                    self.operations.swap_remove(index);
                }
                self.next_operation = index + 1;
                return true;
            }
        }
        false
    }
}

/// Buffers the message for an output of the operation with this escaped id.
fn buffer(socket: &mut Socket, id: &str, output: Output) {
    match output {
        Output::Event(rendering) => socket.buffer_text(&messages::next(id, &rendering.payload), None),
        Output::Result(CountedJson { json, permit }) => socket.buffer_text(&messages::next(id, &json), permit),
        Output::Errors(errors) => socket.buffer_text(&messages::error(id, &errors), None),
        Output::Complete => socket.buffer_text(&messages::complete(id), None),
    }
}
