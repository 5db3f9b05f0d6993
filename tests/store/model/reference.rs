//! The model: computes the expected results with plain lists and linear searches.

use std::collections::BTreeMap;
use std::sync::Arc;

use livechat::domain::event::{Event, EventKind};
use livechat::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use livechat::domain::page::{Take, Window};
use livechat::domain::position::{EntryTag, Position, Seq};
use livechat::domain::room::{Room, RoomCode, RoomId};
use livechat::domain::timestamp::Timestamp;
use livechat::domain::token::{SealedToken, Token};
use livechat::domain::user::User;
use livechat::store::{
    Admission, Admitted, Change, Commit, Committed, PresentedToken, RoomLimits, RoomState, Snapshot, Store, StoreError,
    UserPage,
};

use super::operation::{LogPosition, Operation, PresentedTokenKind, Revision, SmallLimits, SmallWindow};
use crate::store::conformance::kit::{DAY, client_id, named_user, text};

/// Later than any test runs.
const FAR_FUTURE: Timestamp = Timestamp::from_millis(4_000_000_000_000);

/// The expected state of the store.
#[derive(Default)]
pub struct Model {
    rooms: BTreeMap<u8, ModelRoom>,
    users: BTreeMap<u8, ModelUser>,
}

struct ModelRoom {
    room: Room,
    messages: Vec<Message>,
    log: Vec<Entry>,
}

struct Entry {
    kind: EventKind,
    position: Position,
    at: Timestamp,
    index: usize,
}

struct ModelUser {
    user: User,
    current: Token,
    previous: Option<(Token, SealedToken)>,
    old: Vec<Token>,
    /// Whether it has been authenticated since it was registered.
    is_confirmed: bool,
}

/// Fails with both values if they differ.
fn ensure_same<T: PartialEq + std::fmt::Debug>(store: T, model: T) -> Result<(), String> {
    if store == model { Ok(()) } else { Err(format!("the store returned {store:?}, the model {model:?}")) }
}

/// A comparable form of a result: errors by their name.
fn comparable<T>(result: Result<T, StoreError>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

fn refused<T>(error: StoreError) -> Result<T, String> {
    Err(error.to_string())
}

/// The id of a room. The same in each run, so that a sequence can be repeated.
fn room_id(room: u8) -> RoomId {
    RoomId::from_bytes([room + 1; 16])
}

fn user(user: u8) -> User {
    named_user(&format!("user {user}"))
}

fn small_text(number: u8) -> MessageText {
    text(&format!("text {number}"))
}

fn room_limits(limits: SmallLimits) -> RoomLimits {
    let SmallLimits { messages, events, edits } = limits;
    RoomLimits { messages: messages.into(), events: events.into(), edits: edits.into() }
}

fn small_client_id(id: u8) -> ClientMessageId {
    client_id(&format!("id {id}"))
}

fn window(small: SmallWindow) -> Window {
    let take = if small.from_the_end { Take::Last(small.size.into()) } else { Take::First(small.size.into()) };
    Window { after: small.after.map(u64::from), before: small.before.map(u64::from), take }
}

fn items_in_window<T: Clone>(list: &[T], small: SmallWindow) -> Vec<T> {
    let SmallWindow { after, before, size, from_the_end } = small;
    let is_inside = |n: &u64| after.is_none_or(|after| *n > after.into()) && before.is_none_or(|b| *n < b.into());
    let inside: Vec<T> = (0..).zip(list).filter(|(n, _)| is_inside(n)).map(|(_, item)| item.clone()).collect();
    let skipped = if from_the_end { inside.len().saturating_sub(size.into()) } else { 0 };
    inside.into_iter().skip(skipped).take(size.into()).collect()
}

impl ModelRoom {
    fn head(&self) -> Position {
        self.log.last().map_or(Position::START, |entry| entry.position)
    }

    fn users(&self) -> Vec<User> {
        let mut users: Vec<User> = Vec::new();
        for message in &self.messages {
            if !users.contains(&message.author) {
                users.push(message.author.clone());
            }
        }
        users
    }

    fn state(&self, now: Timestamp) -> RoomState {
        RoomState {
            room: self.room.clone(),
            now,
            head: self.head(),
            message_count: self.messages.len() as u64,
            user_count: self.users().len() as u64,
        }
    }

    fn event(&self, entry: &Entry) -> Event {
        let Entry { kind, position, at, index } = *entry;
        Event { kind, position, at, message: self.messages[index].clone() }
    }

    fn position(&self, entries: u8) -> Position {
        let entries = self.log.len().min(entries.into());
        entries.checked_sub(1).map_or(Position::START, |last| self.log[last].position)
    }

    /// Whether a change is decided on a message that is known to be deleted. The service never commits that, so the contract
    /// does not define the result.
    fn is_undefined(&self, change: &Change) -> bool {
        let (Change::Edit { index, revision, .. } | Change::Delete { index, revision }) = change else { return false };
        let message = self.messages.get(*index as usize);
        message.is_some_and(|message| message.deleted_at.is_some() && message.revision == *revision)
    }

    /// Applies the change at the time that the store gave it.
    fn commit(&mut self, commit: &Commit, at: Timestamp) -> Result<Committed, StoreError> {
        let position = Position { seq: Seq(self.log.len() as u64 + 1), tag: commit.tag };
        let (kind, index) = match &commit.change {
            Change::Send { author, text, client_message_id, limits } => {
                let first = self.messages.iter().position(|message| {
                    client_message_id.is_some()
                        && message.client_message_id == *client_message_id
                        && message.author.id == author.id
                });
                if let Some(first) = first {
                    let sent = |entry: &&Entry| entry.kind == EventKind::Sent && entry.index == first;
                    let entry = self.log.iter().find(sent).expect("every message has an entry");
                    return Ok(Committed::Repeated(self.event(entry)));
                }
                let index = self.messages.len();
                if index as u64 >= limits.messages || self.reserved() + 2 > limits.events {
                    return Err(StoreError::Full);
                }
                self.messages.push(Message {
                    id: MessageId { room: self.room.id, index: index as u64 },
                    author: author.clone(),
                    text: Some(text.clone()),
                    created_at: at,
                    edited_at: None,
                    deleted_at: None,
                    client_message_id: client_message_id.clone(),
                    revision: position.seq,
                });
                (EventKind::Sent, index)
            }
            Change::Edit { index, revision, text, limits } => {
                self.find_for_change(*index, *revision)?;
                let edits = |entry: &&Entry| entry.kind == EventKind::Edited && entry.index as u64 == *index;
                if self.log.iter().filter(edits).count() as u64 >= limits.edits {
                    return Err(StoreError::EditLimit);
                }
                if self.reserved() + 1 > limits.events {
                    return Err(StoreError::Full);
                }
                let message = self.find_for_change(*index, *revision)?;
                message.text = Some(text.clone());
                message.edited_at = Some(at);
                message.revision = position.seq;
                (EventKind::Edited, *index as usize)
            }
            Change::Delete { index, revision } => {
                let message = self.find_for_change(*index, *revision)?;
                message.text = None;
                message.deleted_at = Some(at);
                message.revision = position.seq;
                (EventKind::Deleted, *index as usize)
            }
        };
        let entry = Entry { kind, position, at, index };
        let event = self.event(&entry);
        self.log.push(entry);
        Ok(Committed::New(event))
    }

    /// Entries of the log, including those reserved for deletions.
    fn reserved(&self) -> u64 {
        let live = self.messages.iter().filter(|message| message.deleted_at.is_none()).count();
        (self.log.len() + live) as u64
    }

    fn find_for_change(&mut self, index: u64, revision: Seq) -> Result<&mut Message, StoreError> {
        let message = self.messages.get_mut(index as usize).ok_or(StoreError::NotFound)?;
        if message.revision == revision { Ok(message) } else { Err(StoreError::Conflict) }
    }

    fn read_log(&self, after: Position, limit: u8) -> Result<Vec<Event>, StoreError> {
        let known = std::iter::once(Position::START).chain(self.log.iter().map(|entry| entry.position));
        let Some((read, _)) = known.enumerate().find(|(_, position)| *position == after) else {
            return Err(StoreError::ForeignPosition);
        };
        Ok(self.log[read..].iter().take(limit.into()).map(|entry| self.event(entry)).collect())
    }
}

impl ModelUser {
    fn token(&self, kind: PresentedTokenKind) -> Option<Token> {
        match kind {
            PresentedTokenKind::None => None,
            PresentedTokenKind::Current => Some(self.current),
            PresentedTokenKind::Previous => self.previous.map(|(token, _)| token),
            PresentedTokenKind::Old => self.old.last().copied(),
            PresentedTokenKind::Foreign => Some(Token::random()),
        }
    }
}

impl Model {
    /// Runs the operation on both and compares the results.
    pub async fn compare(&mut self, store: &Arc<dyn Store>, operation: &Operation) -> Result<(), String> {
        match *operation {
            Operation::Create { room } => self.create(store, room).await,
            Operation::Send { room, user: author, text, client_id, limits } => {
                let client_message_id = client_id.map(small_client_id);
                let (author, text, limits) = (user(author), small_text(text), room_limits(limits));
                self.commit(store, room, Change::Send { author, text, client_message_id, limits }).await
            }
            Operation::Edit { room, message, revision, text, limits } => {
                let (index, revision) = (message.into(), self.revision(room, message, revision));
                let limits = room_limits(limits);
                self.commit(store, room, Change::Edit { index, revision, text: small_text(text), limits }).await
            }
            Operation::Delete { room, message, revision } => {
                let (index, revision) = (message.into(), self.revision(room, message, revision));
                self.commit(store, room, Change::Delete { index, revision }).await
            }
            Operation::ReadLog { room, after, limit } => {
                let after = self.position(room, after);
                let model = self.room(room).and_then(|room| room.read_log(after, limit));
                ensure_same(comparable(store.read_log(room_id(room), after, limit.into()).await), comparable(model))
            }
            Operation::Snapshot { room, window: small } => {
                let result = comparable(store.snapshot(room_id(room), small.map(window)).await);
                let now = result.as_ref().map_or(FAR_FUTURE, |snapshot| snapshot.state.now);
                let model = self.room(room).map(|room| Snapshot {
                    state: room.state(now),
                    messages: small.map_or(Vec::new(), |small| items_in_window(&room.messages, small)),
                });
                ensure_same(result, comparable(model))
            }
            Operation::Users { room, window: small } => {
                let model = self.room(room).map(ModelRoom::users);
                let model = model.map(|all| UserPage { total: all.len() as u64, users: items_in_window(&all, small) });
                ensure_same(comparable(store.users(room_id(room), window(small)).await), comparable(model))
            }
            Operation::ActiveRooms { limit } => self.active_rooms(store, limit).await,
            Operation::Authenticate { user, presents, with_name } => {
                self.authenticate(store, user, presents, with_name).await
            }
            Operation::ForgetNewUser { user, token } => self.forget_new_user(store, user, token).await,
        }
    }

    fn room(&self, room: u8) -> Result<&ModelRoom, StoreError> {
        self.rooms.get(&room).ok_or(StoreError::NotFound)
    }

    fn revision(&self, room: u8, message: u8, revision: Revision) -> Seq {
        let Some(room) = self.rooms.get(&room) else { return Seq(1) };
        match revision {
            Revision::Current => room.messages.get(usize::from(message)).map_or(Seq(1), |message| message.revision),
            Revision::Other(back) => Seq((room.log.len() as u64 + 1).saturating_sub(back.into())),
        }
    }

    fn position(&self, room: u8, position: LogPosition) -> Position {
        let after = |room: u8, entries| self.rooms.get(&room).map_or(Position::START, |room| room.position(entries));
        match position {
            LogPosition::After(entries) => after(room, entries),
            LogPosition::Forged(entries) => {
                let Position { seq, tag } = after(room, entries);
                Position { seq, tag: EntryTag(tag.0 ^ 1) }
            }
            LogPosition::Beyond(far) => {
                let Position { seq, tag } = after(room, u8::MAX);
                Position { seq: Seq(seq.0 + u64::from(far)), tag }
            }
            LogPosition::EndOf(other) => after(other, u8::MAX),
        }
    }

    async fn create(&mut self, store: &Arc<dyn Store>, number: u8) -> Result<(), String> {
        let (id, code) = (room_id(number), RoomCode::random(6));
        let result = store.create_room(id, &code, DAY).await;
        if self.rooms.contains_key(&number) {
            return ensure_same(comparable(result), refused(StoreError::Conflict));
        }
        let result = comparable(result)?;
        let created_at = result.room.created_at;
        let room = Room { id, code, created_at, expires_at: created_at.plus(DAY) };
        let room = ModelRoom { room, messages: Vec::new(), log: Vec::new() };
        let model = room.state(result.now);
        self.rooms.insert(number, room);
        ensure_same(result, model)
    }

    async fn commit(&mut self, store: &Arc<dyn Store>, room: u8, change: Change) -> Result<(), String> {
        if self.room(room).is_ok_and(|room| room.is_undefined(&change)) {
            return Ok(());
        }
        let commit = Commit { room: room_id(room), tag: EntryTag::random(), change };
        let result = comparable(store.commit(commit.clone()).await);
        let at = result.clone().map_or(FAR_FUTURE, |committed| committed.into_event().at);
        let model = match self.rooms.get_mut(&room) {
            Some(room) => room.commit(&commit, at),
            None => Err(StoreError::NotFound),
        };
        ensure_same(result, comparable(model))
    }

    async fn active_rooms(&self, store: &Arc<dyn Store>, limit: u8) -> Result<(), String> {
        let result = comparable(store.active_rooms(None, limit.into()).await)?;
        let total = self.rooms.len();
        ensure_same((result.total, result.more), (total as u64, total > limit.into()))?;
        // The order of rooms with the same timestamp is up to the store.
        let mut newest: Vec<Timestamp> = self.rooms.values().map(|room| room.room.created_at).collect();
        newest.sort_unstable_by(|a, b| b.cmp(a));
        newest.truncate(limit.into());
        ensure_same(result.rooms.iter().map(|state| state.room.created_at).collect(), newest)?;
        for state in result.rooms {
            let model = self.rooms.values().find(|room| room.room.id == state.room.id);
            let model = model.map(|room| room.state(state.now));
            ensure_same(Some(state), model)?;
        }
        Ok(())
    }

    async fn authenticate(
        &mut self,
        store: &Arc<dyn Store>,
        number: u8,
        presents: PresentedTokenKind,
        with_name: bool,
    ) -> Result<(), String> {
        let user = user(number);
        let known = self.users.get_mut(&number);
        let presented = match &known {
            Some(known) => known.token(presents),
            None => matches!(presents, PresentedTokenKind::Foreign).then(Token::random),
        };
        let next_token = Token::random();
        let sealed = presented.map(|token| token.seal(&next_token));
        let admission = Admission {
            user: user.id.clone(),
            presented: presented
                .zip(sealed)
                .map(|(token, sealed_next_token)| PresentedToken { hash: token.hash(), sealed_next_token }),
            next_token: next_token.hash(),
            keep_until: FAR_FUTURE,
            register_as: with_name.then(|| user.display_name.clone()),
        };
        let result = comparable(store.authenticate(admission).await)?;
        let model = match known {
            None if !with_name => Admitted::Unknown,
            None => {
                let previous = presented.zip(sealed);
                let registered = ModelUser {
                    user: user.clone(),
                    current: next_token,
                    previous,
                    old: Vec::new(),
                    is_confirmed: false,
                };
                self.users.insert(number, registered);
                Admitted::Created(user)
            }
            Some(known) if presented == Some(known.current) => {
                let retired = known.previous.map(|(token, _)| token);
                known.old.extend(retired);
                known.previous = presented.zip(sealed);
                known.current = next_token;
                known.is_confirmed = true;
                Admitted::Rotated(known.user.clone())
            }
            Some(known) => match known.previous {
                Some((previous, sealed)) if presented == Some(previous) => {
                    known.is_confirmed = true;
                    Admitted::Repeated(known.user.clone(), sealed)
                }
                _ => Admitted::WrongToken,
            },
        };
        ensure_same(result, model)
    }

    async fn forget_new_user(
        &mut self,
        store: &Arc<dyn Store>,
        number: u8,
        kind: PresentedTokenKind,
    ) -> Result<(), String> {
        let token = self.users.get(&number).and_then(|user| user.token(kind)).unwrap_or_else(Token::random);
        comparable(store.forget_new_user(&user(number).id, token.hash()).await)?;
        if self.users.get(&number).is_some_and(|user| user.current == token && !user.is_confirmed) {
            self.users.remove(&number);
        }
        Ok(())
    }
}
