//! The model: what a store should answer, by lists that are searched from end to end.

use std::collections::BTreeMap;
use std::sync::Arc;

use livechat::domain::event::{EntryTag, Event, EventKind, Position, Seq};
use livechat::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use livechat::domain::page::{Take, Window};
use livechat::domain::room::{Room, RoomCode, RoomId};
use livechat::domain::timestamp::Timestamp;
use livechat::domain::user::{SealedToken, Token, User};
use livechat::store::{
    Admission, Admitted, Change, Commit, Committed, PresentedToken, RoomLimits, RoomState, Snapshot, Store, StoreError,
    UserPage,
};

use super::operation::{Limited, Operation, Pane, Place, Revision, Shown};
use crate::store::conformance::kit::{DAY, client_id, named_user, text};

/// Far enough away not to matter.
const KEPT: Timestamp = Timestamp::from_millis(4_000_000_000_000);

/// Everything there is, according to the model.
#[derive(Default)]
pub struct Plain {
    rooms: BTreeMap<u8, PlainRoom>,
    users: BTreeMap<u8, PlainUser>,
}

struct PlainRoom {
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

struct PlainUser {
    user: User,
    current: Token,
    previous: Option<(Token, SealedToken)>,
    old: Vec<Token>,
    /// Whether it was admitted again since it was made known.
    again: bool,
}

/// That both say the same; where they do not, what each says.
fn same<T: PartialEq + std::fmt::Debug>(store: T, model: T) -> Result<(), String> {
    if store == model { Ok(()) } else { Err(format!("the store says {store:?}, the model {model:?}")) }
}

/// An answer as it can be compared: errors by their name.
fn answer<T>(answer: Result<T, StoreError>) -> Result<T, String> {
    answer.map_err(|error| error.to_string())
}

fn refused<T>(error: StoreError) -> Result<T, String> {
    Err(error.to_string())
}

/// The id of a room, the same in each run, so that a sequence can be tried again.
fn room_id(room: u8) -> RoomId {
    RoomId::from_bytes([room + 1; 16])
}

fn user(user: u8) -> User {
    named_user(&format!("user {user}"))
}

fn words(words: u8) -> MessageText {
    text(&format!("words {words}"))
}

fn of_room(limits: Limited) -> RoomLimits {
    let Limited { messages, events, edits } = limits;
    RoomLimits { messages: messages.into(), events: events.into(), edits: edits.into() }
}

fn id_of_client(id: u8) -> ClientMessageId {
    client_id(&format!("id {id}"))
}

fn window(pane: Pane) -> Window {
    let take = if pane.from_the_end { Take::Last(pane.size.into()) } else { Take::First(pane.size.into()) };
    Window { after: pane.after.map(u64::from), before: pane.before.map(u64::from), take }
}

fn in_window<T: Clone>(list: &[T], pane: Pane) -> Vec<T> {
    let Pane { after, before, size, from_the_end } = pane;
    let is_inside = |n: &u64| after.is_none_or(|after| *n > after.into()) && before.is_none_or(|b| *n < b.into());
    let inside: Vec<T> = (0..).zip(list).filter(|(n, _)| is_inside(n)).map(|(_, item)| item.clone()).collect();
    let skipped = if from_the_end { inside.len().saturating_sub(size.into()) } else { 0 };
    inside.into_iter().skip(skipped).take(size.into()).collect()
}

impl PlainRoom {
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

    fn position(&self, behind: u8) -> Position {
        let entries = self.log.len().min(behind.into());
        entries.checked_sub(1).map_or(Position::START, |last| self.log[last].position)
    }

    /// Whether a change is decided on a message that is known to be deleted. Nobody who keeps the rules of messages asks
    /// a store for that, so the contract does not say what becomes of it.
    fn is_gone(&self, change: &Change) -> bool {
        let (Change::Edit { index, revision, .. } | Change::Delete { index, revision }) = change else { return false };
        let message = self.messages.get(*index as usize);
        message.is_some_and(|message| message.deleted_at.is_some() && message.revision == *revision)
    }

    /// Applies the change at the moment that the store gave it.
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
                    let entry = self.log.iter().find(sent).expect("every message was sent");
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
                self.changeable(*index, *revision)?;
                let edits = |entry: &&Entry| entry.kind == EventKind::Edited && entry.index as u64 == *index;
                if self.log.iter().filter(edits).count() as u64 >= limits.edits {
                    return Err(StoreError::EditLimit);
                }
                if self.reserved() + 1 > limits.events {
                    return Err(StoreError::Full);
                }
                let message = self.changeable(*index, *revision)?;
                message.text = Some(text.clone());
                message.edited_at = Some(at);
                message.revision = position.seq;
                (EventKind::Edited, *index as usize)
            }
            Change::Delete { index, revision } => {
                let message = self.changeable(*index, *revision)?;
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

    /// Entries of the log, and those that deletions will need.
    fn reserved(&self) -> u64 {
        let live = self.messages.iter().filter(|message| message.deleted_at.is_none()).count();
        (self.log.len() + live) as u64
    }

    fn changeable(&mut self, index: u64, revision: Seq) -> Result<&mut Message, StoreError> {
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

impl PlainUser {
    fn token(&self, shown: Shown) -> Option<Token> {
        match shown {
            Shown::None => None,
            Shown::Current => Some(self.current),
            Shown::Previous => self.previous.map(|(token, _)| token),
            Shown::Old => self.old.last().copied(),
            Shown::Unheard => Some(Token::random()),
        }
    }
}

impl Plain {
    /// Does the operation on both and compares what they answer.
    pub async fn compare(&mut self, store: &Arc<dyn Store>, operation: &Operation) -> Result<(), String> {
        match *operation {
            Operation::Create { room } => self.create(store, room).await,
            Operation::Send { room, user: author, words: said, client_id, limits } => {
                let client_message_id = client_id.map(id_of_client);
                let (author, text, limits) = (user(author), words(said), of_room(limits));
                self.commit(store, room, Change::Send { author, text, client_message_id, limits }).await
            }
            Operation::Edit { room, message, revision, words: said, limits } => {
                let (index, revision) = (message.into(), self.revision(room, message, revision));
                let limits = of_room(limits);
                self.commit(store, room, Change::Edit { index, revision, text: words(said), limits }).await
            }
            Operation::Delete { room, message, revision } => {
                let (index, revision) = (message.into(), self.revision(room, message, revision));
                self.commit(store, room, Change::Delete { index, revision }).await
            }
            Operation::ReadLog { room, after, limit } => {
                let after = self.position(room, after);
                let model = self.room(room).and_then(|room| room.read_log(after, limit));
                same(answer(store.read_log(room_id(room), after, limit.into()).await), answer(model))
            }
            Operation::Snapshot { room, window: pane } => {
                let said = answer(store.snapshot(room_id(room), pane.map(window)).await);
                let now = said.as_ref().map_or(KEPT, |snapshot| snapshot.state.now);
                let model = self.room(room).map(|room| Snapshot {
                    state: room.state(now),
                    messages: pane.map_or(Vec::new(), |pane| in_window(&room.messages, pane)),
                });
                same(said, answer(model))
            }
            Operation::Chatters { room, window: pane } => {
                let model = self.room(room).map(PlainRoom::users);
                let model = model.map(|all| UserPage { total: all.len() as u64, users: in_window(&all, pane) });
                same(answer(store.users(room_id(room), window(pane)).await), answer(model))
            }
            Operation::ActiveRooms { limit } => self.active_rooms(store, limit).await,
            Operation::Admit { user, shows, with_name } => self.authenticate(store, user, shows, with_name).await,
            Operation::Withdraw { user, token } => self.forget_new_user(store, user, token).await,
        }
    }

    fn room(&self, room: u8) -> Result<&PlainRoom, StoreError> {
        self.rooms.get(&room).ok_or(StoreError::NotFound)
    }

    fn revision(&self, room: u8, message: u8, revision: Revision) -> Seq {
        let Some(room) = self.rooms.get(&room) else { return Seq(1) };
        match revision {
            Revision::Current => room.messages.get(usize::from(message)).map_or(Seq(1), |message| message.revision),
            Revision::Other(back) => Seq((room.log.len() as u64 + 1).saturating_sub(back.into())),
        }
    }

    fn position(&self, room: u8, place: Place) -> Position {
        let behind = |room: u8, entries| self.rooms.get(&room).map_or(Position::START, |room| room.position(entries));
        match place {
            Place::Behind(entries) => behind(room, entries),
            Place::Forged(entries) => {
                let Position { seq, tag } = behind(room, entries);
                Position { seq, tag: EntryTag(tag.0 ^ 1) }
            }
            Place::Beyond(far) => {
                let Position { seq, tag } = behind(room, u8::MAX);
                Position { seq: Seq(seq.0 + u64::from(far)), tag }
            }
            Place::OfRoom(other) => behind(other, u8::MAX),
        }
    }

    async fn create(&mut self, store: &Arc<dyn Store>, number: u8) -> Result<(), String> {
        let (id, code) = (room_id(number), RoomCode::random(6));
        let said = store.create_room(id, &code, DAY).await;
        if self.rooms.contains_key(&number) {
            return same(answer(said), refused(StoreError::Conflict));
        }
        let said = answer(said)?;
        let created_at = said.room.created_at;
        let room = Room { id, code, created_at, expires_at: created_at.plus(DAY) };
        let room = PlainRoom { room, messages: Vec::new(), log: Vec::new() };
        let model = room.state(said.now);
        self.rooms.insert(number, room);
        same(said, model)
    }

    async fn commit(&mut self, store: &Arc<dyn Store>, room: u8, change: Change) -> Result<(), String> {
        if self.room(room).is_ok_and(|room| room.is_gone(&change)) {
            return Ok(());
        }
        let commit = Commit { room: room_id(room), tag: EntryTag::random(), change };
        let said = answer(store.commit(commit.clone()).await);
        let at = said.clone().map_or(KEPT, |committed| committed.into_event().at);
        let model = match self.rooms.get_mut(&room) {
            Some(room) => room.commit(&commit, at),
            None => Err(StoreError::NotFound),
        };
        same(said, answer(model))
    }

    async fn active_rooms(&self, store: &Arc<dyn Store>, limit: u8) -> Result<(), String> {
        let said = answer(store.active_rooms(None, limit.into()).await)?;
        let total = self.rooms.len();
        same((said.total, said.more), (total as u64, total > limit.into()))?;
        // Which of two rooms of one moment comes first is left to the store.
        let mut newest: Vec<Timestamp> = self.rooms.values().map(|room| room.room.created_at).collect();
        newest.sort_unstable_by(|a, b| b.cmp(a));
        newest.truncate(limit.into());
        same(said.rooms.iter().map(|state| state.room.created_at).collect(), newest)?;
        for state in said.rooms {
            let model = self.rooms.values().find(|room| room.room.id == state.room.id);
            let model = model.map(|room| room.state(state.now));
            same(Some(state), model)?;
        }
        Ok(())
    }

    async fn authenticate(
        &mut self,
        store: &Arc<dyn Store>,
        number: u8,
        shows: Shown,
        named: bool,
    ) -> Result<(), String> {
        let user = user(number);
        let known = self.users.get_mut(&number);
        let shown = match &known {
            Some(known) => known.token(shows),
            None => matches!(shows, Shown::Unheard).then(Token::random),
        };
        let next_token = Token::random();
        let sealed = shown.map(|token| token.seal(&next_token));
        let admission = Admission {
            user: user.id.clone(),
            presented: shown
                .zip(sealed)
                .map(|(token, sealed_next_token)| PresentedToken { hash: token.hash(), sealed_next_token }),
            next_token: next_token.hash(),
            keep_until: KEPT,
            register_as: named.then(|| user.display_name.clone()),
        };
        let said = answer(store.authenticate(admission).await)?;
        let model = match known {
            None if !named => Admitted::Unknown,
            None => {
                let previous = shown.zip(sealed);
                let plain =
                    PlainUser { user: user.clone(), current: next_token, previous, old: Vec::new(), again: false };
                self.users.insert(number, plain);
                Admitted::Created(user)
            }
            Some(known) if shown == Some(known.current) => {
                let retired = known.previous.map(|(token, _)| token);
                known.old.extend(retired);
                known.previous = shown.zip(sealed);
                known.current = next_token;
                known.again = true;
                Admitted::Rotated(known.user.clone())
            }
            Some(known) => match known.previous {
                Some((previous, sealed)) if shown == Some(previous) => {
                    known.again = true;
                    Admitted::Repeated(known.user.clone(), sealed)
                }
                _ => Admitted::WrongToken,
            },
        };
        same(said, model)
    }

    async fn forget_new_user(&mut self, store: &Arc<dyn Store>, number: u8, shown: Shown) -> Result<(), String> {
        let token = self.users.get(&number).and_then(|user| user.token(shown)).unwrap_or_else(Token::random);
        answer(store.forget_new_user(&user(number).id, token.hash()).await)?;
        if self.users.get(&number).is_some_and(|user| user.current == token && !user.again) {
            self.users.remove(&number);
        }
        Ok(())
    }
}
