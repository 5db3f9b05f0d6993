//! What is known about a room, and what changes it. Whoever waits for a change is woken after it.

use std::sync::{Arc, Mutex, MutexGuard};

use serde::Deserialize;
use tokio::sync::{Notify, watch};

use crate::events::EventStreams;
use crate::messages::{MessagePage, Messages, ReadMessage};
use crate::outbox::Outbox;
use crate::presence::{self, Presence, PresenceEvent};
use crate::requests::RoomRequests;
use crate::retry::lock;
use crate::types::{Ban, Change, Chatter, Connection, Message, Role, RoomEvent, RoomSettings, RoomState};
use crate::{Error, ErrorCode};

/// How far a room is.
#[derive(Clone)]
pub(crate) enum Phase {
    Joining,
    Joined,
    /// The room has ended or was left. The error is for what is still going on.
    Over(Error),
}

/// What the handle of a room and its task share.
pub(crate) struct Shared {
    pub(crate) requests: RoomRequests,
    model: Mutex<Model>,
    /// Counts the changes.
    version: watch::Sender<u64>,
    phase: watch::Sender<Phase>,
    /// There may be something to send.
    pub(crate) outbox_filled: Notify,
    /// The user is typing.
    pub(crate) typed: Notify,
}

#[derive(Default)]
pub(crate) struct Model {
    pub(crate) messages: Messages,
    pub(crate) outbox: Outbox,
    pub(crate) events: EventStreams,
    cursor: String,
    connection: Connection,
    error: Option<Error>,
    settings: Option<RoomSettings>,
    expires_at: Option<String>,
    viewer_count: u64,
    presence: Option<Presence>,
    role: Role,
    ban: Option<Ban>,
    /// Once the room has ended or was left.
    over: Option<Error>,
    /// The state, until the next change.
    state: Option<Arc<RoomState>>,
}

/// A room as a query returns it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomData {
    cursor: String,
    expires_at: String,
    viewer_count: u64,
    settings: RoomSettings,
    messages: MessagePage,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventsData {
    pub(crate) room_events: EventData,
}

/// An event of the room's log, as far as its kind has these fields.
#[derive(Deserialize)]
pub(crate) struct EventData {
    #[serde(rename = "__typename")]
    kind: String,
    cursor: String,
    at: String,
    message: Option<Message>,
    settings: Option<RoomSettings>,
    ban: Option<Ban>,
    user: Option<Chatter>,
}

impl Shared {
    pub(crate) fn new(requests: RoomRequests) -> Self {
        Self {
            requests,
            model: Mutex::default(),
            version: watch::Sender::new(0),
            phase: watch::Sender::new(Phase::Joining),
            outbox_filled: Notify::new(),
            typed: Notify::new(),
        }
    }

    pub(crate) fn state(&self) -> Arc<RoomState> {
        let mut model = lock(&self.model);
        // Another room may have replaced the user that they share.
        if let Some(state) = &model.state
            && state.user_id == self.requests.user.id()
        {
            return Arc::clone(state);
        }
        let state = Arc::new(model.snapshot(&self.requests));
        model.state = Some(Arc::clone(&state));
        state
    }

    /// Counts the changes of the state.
    pub(crate) fn version(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(crate) fn set_joined(&self) {
        self.phase.send_if_modified(|phase| {
            let is_first = matches!(phase, Phase::Joining);
            if is_first {
                *phase = Phase::Joined;
            }
            is_first
        });
    }

    /// Why the room is over, once it is.
    pub(crate) async fn over(&self) -> Error {
        let mut phase = self.phase.subscribe();
        match phase.wait_for(|phase| matches!(phase, Phase::Over(_))).await.as_deref() {
            Ok(Phase::Over(error)) => error.clone(),
            _ => Error::of(ErrorCode::Left),
        }
    }

    /// Reads the model without changing it.
    pub(crate) fn read(&self) -> MutexGuard<'_, Model> {
        lock(&self.model)
    }

    /// Changes the model.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Model) -> T) -> T {
        let mut model = lock(&self.model);
        let result = change(&mut model);
        model.state = None;
        drop(model);
        self.version.send_modify(|version| *version += 1);
        result
    }

    /// Adds a message from a response. Returns the newest version that is known.
    pub(crate) fn put(&self, message: Message, my_reactions: Option<Vec<String>>) -> Arc<Message> {
        self.change(|model| model.messages.put(message, my_reactions))
    }

    /// Adds a message of a query.
    pub(crate) fn put_read(&self, ReadMessage { message, reactions_by }: ReadMessage) -> Arc<Message> {
        self.put(message, Some(reactions_by))
    }

    pub(crate) fn load(&self, room: RoomData) {
        self.change(|model| {
            model.cursor = room.cursor;
            model.expires_at = Some(room.expires_at);
            model.viewer_count = room.viewer_count;
            model.settings = Some(room.settings);
            model.messages.reset(room.messages);
            let messages: Vec<_> = model.messages.iter().cloned().collect();
            messages.iter().for_each(|message| model.confirm(message, &self.requests));
        });
    }

    pub(crate) fn apply(&self, event: EventData) {
        self.change(|model| model.apply(event, &self.requests));
    }

    pub(crate) fn announce_reload(&self) {
        self.change(|model| {
            let event = RoomEvent { cursor: model.cursor.clone(), at: None, change: Change::RoomReloaded };
            model.events.send(&event);
        });
    }

    pub(crate) fn apply_presence(&self, event: PresenceEvent) {
        self.change(|model| presence::apply(&mut model.presence, event));
    }

    pub(crate) fn set_connection(&self, connection: Connection, error: Option<Error>) {
        self.change(|model| model.set_connection(connection, error));
    }

    /// Ends everything that goes on in the room. Does nothing if it is over already.
    pub(crate) fn close(&self, connection: Connection, error: Option<Error>) {
        let reason = error.clone().unwrap_or_else(|| match connection {
            Connection::Ended => Error::new(ErrorCode::RoomNotFound, "The room has ended."),
            _ => Error::of(ErrorCode::Left),
        });
        self.change(|model| {
            if model.over.is_none() {
                model.over = Some(reason.clone());
                model.outbox.fail_all(&reason);
                model.events.end(error.as_ref().filter(|_| connection != Connection::Ended));
                model.set_connection(connection, error);
            }
        });
        self.phase.send_if_modified(|phase| {
            let is_first = !matches!(phase, Phase::Over(_));
            if is_first {
                *phase = Phase::Over(reason);
            }
            is_first
        });
    }
}

impl Model {
    pub(crate) fn cursor(&self) -> String {
        self.cursor.clone()
    }

    /// Why nothing can be sent anymore.
    pub(crate) fn over(&self) -> Option<Error> {
        self.over.clone()
    }

    fn set_connection(&mut self, connection: Connection, error: Option<Error>) {
        self.connection = connection;
        self.error = error;
        if connection != Connection::Live
            && let Some(presence) = &mut self.presence
        {
            // Their announcements may be missed.
            presence.typing.clear();
        }
    }

    fn apply(&mut self, event: EventData, requests: &RoomRequests) {
        let EventData { kind, cursor, at, message, settings, ban, user } = event;
        self.cursor.clone_from(&cursor);
        let message = message.map(|message| self.messages.put(message, None));
        if let Some(message) = &message {
            self.confirm(message, requests);
        }
        let id = requests.user.id();
        let change = match (kind.as_str(), message, settings, ban, user) {
            ("MessageSent", Some(message), ..) => Change::MessageSent(message),
            ("MessageEdited", Some(message), ..) => Change::MessageEdited(message),
            ("MessageDeleted", Some(message), ..) => Change::MessageDeleted(message),
            ("ReactionsChanged", Some(message), ..) => Change::ReactionsChanged(message),
            ("RoomUpdated", _, Some(settings), ..) => {
                self.settings = Some(settings.clone());
                Change::RoomUpdated(settings)
            }
            ("UserBanned", _, _, Some(ban), _) => {
                if ban.user.id == id {
                    self.ban = Some(ban.clone());
                }
                Change::UserBanned(ban)
            }
            ("UserUnbanned", .., Some(user)) => {
                if user.id == id {
                    self.ban = None;
                }
                Change::UserUnbanned(user)
            }
            ("RoomEnded", ..) => Change::RoomEnded,
            // A kind of a newer server.
            _ => return,
        };
        self.events.send(&RoomEvent { cursor, at: Some(at), change });
    }

    /// A message of the user has arrived in the room.
    fn confirm(&mut self, message: &Arc<Message>, requests: &RoomRequests) {
        if message.author.id == requests.user.id() {
            self.role = message.author_role;
            if let Some(id) = &message.client_message_id {
                self.outbox.confirm(id, message);
            }
        }
    }

    fn snapshot(&self, requests: &RoomRequests) -> RoomState {
        let (user_id, display_name) = (requests.user.id(), requests.user.display_name());
        let is_owner = requests.has_owner_token() || self.role == Role::Owner;
        let author = Chatter {
            id: user_id.clone(),
            display_name: display_name.clone().unwrap_or_default(),
            avatar_url: None,
            is_verified: user_id.starts_with('@'),
        };
        let pending = self.outbox.show(&author, if is_owner { Role::Owner } else { Role::Member });
        let presence = self.presence.as_ref();
        RoomState {
            room_id: requests.room_id.clone(),
            connection: self.connection,
            error: self.error.clone(),
            messages: self.messages.iter().cloned().chain(pending).collect(),
            has_earlier: self.messages.has_earlier,
            people: presence.map(|presence| presence.users.clone()).unwrap_or_default(),
            user_count: presence.map_or(0, |presence| presence.user_count),
            viewer_count: presence.map_or(self.viewer_count, |presence| presence.viewer_count),
            typing: presence
                .map(|presence| presence.typing.iter().filter(|user| user.id != user_id).cloned().collect())
                .unwrap_or_default(),
            settings: self.settings.clone(),
            expires_at: self.expires_at.clone(),
            user_id,
            display_name,
            is_owner,
            ban: self.ban.clone(),
        }
    }
}
