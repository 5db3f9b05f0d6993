//! A room as one client sees it: its state, its events, and what the user can do.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::events::Events;
use crate::messages::{MessagePage, ReadMessage};
use crate::model::{Phase, Shared};
use crate::operations::{DELETE, EARLIER, EDIT, FIND, REACT, REMOVE, UNREACT};
use crate::outbox::{Draft, Sending};
use crate::owner::Owner;
use crate::requests::RoomRequests;
use crate::retry::random_id;
use crate::types::{Connection, Message, RoomState};
use crate::{Error, ErrorCode, Timing, User, room_task};

/// A room that [`LiveChat::join`](crate::LiveChat::join) or [`LiveChat::room`](crate::LiveChat::room) has returned. It is left when
/// this is dropped.
///
/// What can succeed later is repeated, so methods wait while the server cannot be reached. Drop their futures to give up.
pub struct Room {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Room {
    pub(crate) fn open(requests: RoomRequests, is_visible: bool, timing: Timing) -> Self {
        let shared = Arc::new(Shared::new(requests));
        let task = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move { room_task::run(&shared, is_visible, timing).await }
        });
        Self { shared, task }
    }

    /// Returns when the room has been read.
    ///
    /// # Errors
    /// The server refuses, or the room was left first.
    pub async fn joined(&self) -> Result<(), Error> {
        let mut phase = self.shared.phase();
        match phase.wait_for(|phase| !matches!(phase, Phase::Joining)).await.as_deref() {
            Ok(Phase::Over(error)) => Err(error.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(Error::of(ErrorCode::Left)),
        }
    }

    /// Returns when the room has ended or was left, with the reason.
    pub async fn over(&self) -> Error {
        self.shared.over().await
    }

    /// The current state: a snapshot, which stays the same until the next change.
    pub fn state(&self) -> Arc<RoomState> {
        self.shared.state()
    }

    /// The state after each change. When it changes faster than it is read, only the latest one is returned.
    pub fn states(&self) -> States {
        // The version comes first, so that a change in between is returned.
        let version = self.shared.version();
        States { version, shared: Arc::clone(&self.shared), is_over: is_over(&self.state()) }
    }

    /// Waits until this holds for the state.
    ///
    /// # Errors
    /// The room was over first.
    pub async fn wait_for(&self, holds: impl Fn(&RoomState) -> bool) -> Result<Arc<RoomState>, Error> {
        let mut states = self.states();
        let mut state = Some(self.state());
        while let Some(current) = state {
            if holds(&current) {
                return Ok(current);
            }
            state = states.next().await;
        }
        Err(self.over().await)
    }

    /// Every event of the room's log from now on, each once and in order, also across lost connections.
    pub fn events(&self) -> Events {
        self.shared.change(|model| {
            let events = model.events.open();
            if model.over().is_some() {
                model.events.end(None);
            }
            events
        })
    }

    /// The user of this client with its current token, to go on as the same user elsewhere; `None` with an identity.
    pub fn user(&self) -> Option<User> {
        self.shared.requests.user.user()
    }

    /// Sends a message. It is in the state at once, and is repeated until the server has responded, also after the client was offline.
    pub fn send(&self, text: impl Into<String>) -> Sending {
        self.add(text.into(), None)
    }

    /// Answers a message.
    pub fn reply(&self, message_id: impl Into<String>, text: impl Into<String>) -> Sending {
        self.add(text.into(), Some(message_id.into()))
    }

    fn add(&self, text: String, reply_to_id: Option<String>) -> Sending {
        let sending = self.shared.change(|model| {
            let sending = model.outbox.add(Draft { client_message_id: random_id(), text, reply_to_id });
            if let Some(error) = model.over() {
                model.outbox.fail_all(&error);
            }
            sending
        });
        self.shared.outbox_filled.notify_one();
        sending
    }

    /// Sends a failed message again. Its `Sending` has ended; the state shows how it goes on.
    pub fn retry(&self, client_message_id: &str) {
        if self.shared.change(|model| model.outbox.retry(client_message_id)) {
            self.shared.outbox_filled.notify_one();
        }
    }

    /// Gives up a message that has not been sent.
    pub fn discard(&self, client_message_id: &str) {
        self.shared.change(|model| model.outbox.discard(client_message_id));
    }

    /// Replaces the text of a message of the user.
    ///
    /// # Errors
    /// The server refuses, or the room was left first.
    pub async fn edit(&self, message_id: &str, text: &str) -> Result<Arc<Message>, Error> {
        let message = self.act(EDIT, json!({ "messageId": message_id, "text": text })).await?;
        Ok(self.shared.put(message, None))
    }

    /// Deletes a message: one of the user, or any if the user owns the room.
    ///
    /// # Errors
    /// The server refuses, or the room was left first.
    pub async fn remove(&self, message_id: &str) -> Result<Arc<Message>, Error> {
        let known = self.find(message_id).await?;
        let is_mine = known.as_ref().is_some_and(|message| message.author.id == self.shared.requests.user.id());
        let removed = if is_mine {
            self.act(DELETE, json!({ "messageId": message_id })).await
        } else {
            let removed = self.shared.requests.act_as_owner(REMOVE, json!({ "messageId": message_id }));
            self.until_over(removed)
                .await
                .and_then(|payload| payload.message.ok_or_else(|| Error::of(ErrorCode::Unknown)))
        };
        match (removed, known) {
            (Ok(message), _) => Ok(self.shared.put(message, None)),
            // The message is already deleted: the response to an earlier try was lost.
            (Err(error), Some(known)) if error.code == ErrorCode::MessageNotFound => {
                Ok(self.known(message_id).unwrap_or(known))
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Reacts to a message.
    ///
    /// # Errors
    /// The server refuses, or the room was left first.
    pub async fn react(&self, message_id: &str, emoji: &str) -> Result<Arc<Message>, Error> {
        self.set_reaction(message_id, emoji, true).await
    }

    /// Takes a reaction back.
    ///
    /// # Errors
    /// The server refuses, or the room was left first.
    pub async fn unreact(&self, message_id: &str, emoji: &str) -> Result<Arc<Message>, Error> {
        self.set_reaction(message_id, emoji, false).await
    }

    async fn set_reaction(&self, message_id: &str, emoji: &str, is_set: bool) -> Result<Arc<Message>, Error> {
        let before = self.known(message_id);
        let document = if is_set { REACT } else { UNREACT };
        let message = self.act(document, json!({ "messageId": message_id, "emoji": emoji })).await?;
        Ok(self.shared.change(|model| {
            let known = model.messages.find(message_id).cloned();
            let mut mine = known.as_ref().map(|known| known.my_reactions.clone()).unwrap_or_default();
            mine.retain(|other| other != emoji);
            mine.extend(is_set.then(|| emoji.to_owned()));
            // An event that has arrived in the meantime may be newer than the response.
            let newest = known.filter(|known| Some(known) != before.as_ref());
            model.messages.put(newest.map_or(message, |known| (*known).clone()), Some(mine))
        }))
    }

    /// Tells the others that the user is typing. Call it on every key: few calls reach the server.
    pub fn typing(&self) {
        if self.state().connection == Connection::Live {
            self.shared.typed.notify_one();
        }
    }

    /// Loads the messages before the first known one. Returns whether there are more.
    ///
    /// # Errors
    /// The server refuses, or the room was left first.
    pub async fn load_earlier(&self) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Earlier {
            messages: MessagePage,
        }
        let before = {
            let model = self.shared.read();
            if !model.messages.has_earlier {
                return Ok(false);
            }
            model.messages.earlier_cursor.clone()
        };
        let variables = json!({ "userId": self.shared.requests.user.id(), "before": before });
        let page = self.until_over(self.shared.requests.read::<Earlier>(EARLIER, variables)).await?.messages;
        Ok(self.shared.change(|model| {
            // The room may have been read again in the meantime, or the same page.
            if before == model.messages.earlier_cursor {
                model.messages.add_earlier(page);
            }
            model.messages.has_earlier
        }))
    }

    /// A message of this room, which may be earlier than the known ones; `None` if there is none.
    ///
    /// # Errors
    /// The server refuses, or the room was left first.
    pub async fn find(&self, message_id: &str) -> Result<Option<Arc<Message>>, Error> {
        #[derive(Deserialize)]
        struct Found {
            message: Option<ReadMessage>,
        }
        if let Some(known) = self.known(message_id) {
            return Ok(Some(known));
        }
        let variables = json!({ "userId": self.shared.requests.user.id(), "messageId": message_id });
        let found = self.until_over(self.shared.requests.read::<Found>(FIND, variables)).await?;
        Ok(found.message.map(|message| self.shared.put_read(message)))
    }

    /// What only the owner of the room may do.
    pub fn owner(&self) -> Owner<'_> {
        Owner { room: self }
    }

    /// Leaves the room. Messages that have not been sent are given up.
    pub fn leave(&self) {
        self.shared.close(Connection::Closed, None);
        self.task.abort();
    }

    pub(crate) fn requests(&self) -> &RoomRequests {
        &self.shared.requests
    }

    /// Waits for this, at most until the room is over.
    pub(crate) async fn until_over<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        tokio::select! {
            biased;
            result = work => result,
            error = self.over() => Err(error),
        }
    }

    async fn act(&self, document: &'static str, input: Value) -> Result<Message, Error> {
        self.until_over(self.shared.requests.act(document, input, false)).await?.into_message()
    }

    fn known(&self, message_id: &str) -> Option<Arc<Message>> {
        self.shared.read().messages.find(message_id).cloned()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// The states of a room. Ends after the last one.
pub struct States {
    version: watch::Receiver<u64>,
    shared: Arc<Shared>,
    is_over: bool,
}

impl States {
    /// The state after the next change; `None` when the room is over and the last state was returned.
    pub async fn next(&mut self) -> Option<Arc<RoomState>> {
        if self.is_over {
            return None;
        }
        // This holds the sender, so the channel is open.
        self.version.changed().await.ok()?;
        let state = self.shared.state();
        self.is_over = is_over(&state);
        Some(state)
    }
}

fn is_over(state: &RoomState) -> bool {
    matches!(state.connection, Connection::Ended | Connection::Closed)
}
