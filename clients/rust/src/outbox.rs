//! The messages that a client sends to a room: shown at once, sent one after the other, and repeated until the server has responded.
//!
//! A repeat has the same `clientMessageId`, so a message whose response was lost is stored only once.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use crate::{Chatter, Error, ErrorCode, Message, Role, Status};

/// Messages that wait to be sent. Further ones are refused.
const MAX_WAITING: usize = 1_000;

/// A message that is being sent. Resolves when the server has accepted it, or when it has failed. Dropping it changes nothing.
#[derive(Debug)]
pub struct Sending {
    client_message_id: String,
    result: oneshot::Receiver<Result<Arc<Message>, Error>>,
}

impl Sending {
    /// The id of the message in [`RoomState::messages`](crate::RoomState::messages) until the server has accepted it.
    pub fn client_message_id(&self) -> &str {
        &self.client_message_id
    }
}

impl Future for Sending {
    type Output = Result<Arc<Message>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let left = |_| Err(Error::of(ErrorCode::Left));
        Pin::new(&mut self.result).poll(cx).map(|result| result.unwrap_or_else(left))
    }
}

/// A message that is not known to be in the room yet.
struct Entry {
    draft: Draft,
    status: Status,
    failures: u32,
    /// Until the message was accepted or has failed for the first time.
    result: Option<oneshot::Sender<Result<Arc<Message>, Error>>>,
}

/// What is sent.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) client_message_id: String,
    pub(crate) text: String,
    pub(crate) reply_to_id: Option<String>,
}

#[derive(Default)]
pub(crate) struct Outbox(VecDeque<Entry>);

impl Outbox {
    pub(crate) fn add(&mut self, draft: Draft) -> Sending {
        let (sender, result) = oneshot::channel();
        let sending = Sending { client_message_id: draft.client_message_id.clone(), result };
        if self.0.len() >= MAX_WAITING {
            let _ = sender.send(Err(Error::of(ErrorCode::OutboxFull)));
        } else {
            self.0.push_back(Entry { draft, status: Status::Sending, failures: 0, result: Some(sender) });
        }
        sending
    }

    /// The message to send next.
    pub(crate) fn next(&self) -> Option<Draft> {
        let next = self.0.iter().find(|entry| !matches!(entry.status, Status::Failed(_)));
        next.map(|entry| entry.draft.clone())
    }

    /// Sends a failed message again. Returns whether there is one.
    pub(crate) fn retry(&mut self, id: &str) -> bool {
        let Some(entry) = self.entry(id).filter(|entry| matches!(entry.status, Status::Failed(_))) else {
            return false;
        };
        entry.status = Status::Sending;
        entry.failures = 0;
        true
    }

    /// Records a failed try. Returns how many there are, if the message is still to be sent.
    pub(crate) fn record_failure(&mut self, id: &str, error: &Error) -> Option<u32> {
        let entry = self.entry(id)?;
        if error.code.is_transient() {
            entry.status = Status::Waiting(error.clone());
            entry.failures += 1;
            return Some(entry.failures);
        }
        entry.fail(error);
        None
    }

    /// Shows why a message waits, unless it already does.
    pub(crate) fn set_waiting(&mut self, id: &str, error: Error) {
        if let Some(entry) = self.entry(id).filter(|entry| entry.status == Status::Sending) {
            entry.status = Status::Waiting(error);
        }
    }

    /// Removes a message that has arrived in the room.
    pub(crate) fn confirm(&mut self, id: &str, message: &Arc<Message>) {
        if let Some(sender) = self.remove(id).and_then(|entry| entry.result) {
            let _ = sender.send(Ok(Arc::clone(message)));
        }
    }

    /// Gives a message up.
    pub(crate) fn discard(&mut self, id: &str) {
        self.remove(id);
    }

    /// Gives all messages up.
    pub(crate) fn fail_all(&mut self, error: &Error) {
        for entry in self.0.iter_mut().filter(|entry| !matches!(entry.status, Status::Failed(_))) {
            entry.fail(error);
        }
    }

    /// The messages as the state of a room shows them.
    pub(crate) fn show(&self, author: &Chatter, author_role: Role) -> impl Iterator<Item = Arc<Message>> {
        self.0.iter().map(move |Entry { draft, status, .. }| {
            Arc::new(Message {
                id: draft.client_message_id.clone(),
                index: None,
                author: author.clone(),
                author_role,
                text: Some(draft.text.clone()),
                created_at: None,
                edited_at: None,
                deleted_at: None,
                deleted_by: None,
                client_message_id: Some(draft.client_message_id.clone()),
                reply_to_id: draft.reply_to_id.clone(),
                reactions: Vec::new(),
                my_reactions: Vec::new(),
                status: status.clone(),
            })
        })
    }

    fn entry(&mut self, id: &str) -> Option<&mut Entry> {
        self.0.iter_mut().find(|entry| entry.draft.client_message_id == id)
    }

    fn remove(&mut self, id: &str) -> Option<Entry> {
        let position = self.0.iter().position(|entry| entry.draft.client_message_id == id)?;
        self.0.remove(position)
    }
}

impl Entry {
    fn fail(&mut self, error: &Error) {
        self.status = Status::Failed(error.clone());
        if let Some(sender) = self.result.take() {
            let _ = sender.send(Err(error.clone()));
        }
    }
}
