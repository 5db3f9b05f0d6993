//! The model: computes the expected results with plain lists and linear searches.

use std::collections::BTreeMap;
use std::sync::Arc;

use livechat::domain::ban::{Ban, BanReason};
use livechat::domain::event::EventKind;
use livechat::domain::position::{EntryTag, Position, Seq};
use livechat::domain::reaction::REACTIONS_INTERVAL;
use livechat::domain::room::{Room, RoomCode};
use livechat::domain::timestamp::Timestamp;
use livechat::domain::token::{SealedToken, Token};
use livechat::domain::user::{Role, User};
use livechat::store::{
    Actor, Admission, Admitted, BanPage, Change, Commit, PresentedToken, Reacted, Reaction, Snapshot, Store,
    StoreError, UserPage,
};

use super::operation::{LogPosition, Operation, PresentedTokenKind, Revision};
use super::room::{Entry, ModelRoom};
use super::values::{
    actor, comparable, emoji, ensure_same, items_in_window, refused, room_id, room_limits, settings_update,
    small_client_id, small_text, user, window,
};
use crate::store::conformance::kit::{DAY, new_room};

/// Later than any test runs.
const FAR_FUTURE: Timestamp = Timestamp::from_millis(4_000_000_000_000);

/// The expected state of the store.
#[derive(Default)]
pub struct Model {
    rooms: BTreeMap<u8, ModelRoom>,
    users: BTreeMap<u8, ModelUser>,
}

struct ModelUser {
    user: User,
    current: Token,
    previous: Option<(Token, SealedToken)>,
    old: Vec<Token>,
    /// Whether it has been authenticated since it was registered.
    is_confirmed: bool,
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
            Operation::End { room } => {
                let model = if self.rooms.remove(&room).is_some() { Ok(()) } else { Err(StoreError::NotFound) };
                ensure_same(comparable(store.end_room(room_id(room)).await), comparable(model))
            }
            Operation::Send { room, actor: author, text, client_id, reply_to, limits } => {
                let (author, text, limits) = (actor(author, text), small_text(text), room_limits(limits));
                let (client_message_id, reply_to) = (client_id.map(small_client_id), reply_to.map(u64::from));
                self.commit(store, room, Change::Send { author, text, client_message_id, reply_to, limits }).await
            }
            Operation::Edit { room, actor: editor, message, revision, text, limits } => {
                let (index, revision) = (message.into(), self.revision(room, message, revision));
                let (editor, text, limits) = (actor(editor, text), small_text(text), room_limits(limits));
                self.commit(store, room, Change::Edit { editor, index, revision, text, limits }).await
            }
            Operation::Delete { room, message, revision, by_owner } => {
                let (index, revision) = (message.into(), self.revision(room, message, revision));
                let by = if by_owner { Role::Owner } else { Role::Member };
                self.commit(store, room, Change::Delete { by, index, revision }).await
            }
            Operation::Update { room, setting, limits } => {
                let (settings, limits) = (settings_update(setting), room_limits(limits));
                self.commit(store, room, Change::Update { settings, limits }).await
            }
            Operation::Ban { room, user: number, ends, limits } => {
                let (user, limits) = (user(number, 0).id, room_limits(limits));
                // Longer than any test runs.
                let duration = ends.then_some(DAY);
                let reason = ends.then(|| BanReason::from_stored("a reason".into()));
                self.commit(store, room, Change::Ban { user, duration, reason, limits }).await
            }
            Operation::Unban { room, user: number, limits } => {
                let (user, limits) = (user(number, 0).id, room_limits(limits));
                self.commit(store, room, Change::Unban { user, limits }).await
            }
            Operation::Join { room, actor: joining } => {
                let joining = actor(joining, 9);
                let model = self.rooms.get_mut(&room).ok_or(StoreError::NotFound);
                let model = model.and_then(|room| room.join(&joining));
                ensure_same(comparable(store.join(room_id(room), joining).await), comparable(model))
            }
            Operation::React { room, actor: reacting, message, emoji: number, add, limits } => {
                let reaction = Reaction {
                    room: room_id(room),
                    tag: EntryTag::random(),
                    actor: actor(reacting, 9),
                    message: message.into(),
                    emoji: emoji(number),
                    add,
                    limits: room_limits(limits),
                };
                self.react(store, room, reaction).await
            }
            Operation::LogReactions { room } => self.log_reactions(store, room).await,
            Operation::Member { room, actor: reading } => {
                let Actor { user, address, .. } = actor(reading, 0);
                let model = self.room(room).map(|room| room.member(&user.id, address));
                ensure_same(comparable(store.member(room_id(room), &user.id, address).await), comparable(model))
            }
            Operation::Bans { room, skip, limit } => self.bans(store, room, skip.into(), limit.into()).await,
            Operation::ReactionsBy { room, user: number } => {
                let (id, messages) = (user(number, 0).id, [1, 0, 2, u64::MAX]);
                let result = store.reactions_by(room_id(room), &id, &messages).await;
                let model = self.room(room);
                let model = model.map(|room| messages.map(|message| room.reactions_of(&id, message)).to_vec());
                ensure_same(comparable(result), comparable(model))
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
        let new = new_room(id, &code, DAY);
        let (owner_token, secret, settings) = (new.owner_token, new.secret, new.settings.clone());
        let result = store.create_room(new).await;
        if self.rooms.contains_key(&number) {
            return ensure_same(comparable(result), refused(StoreError::Conflict));
        }
        let result = comparable(result)?;
        let created_at = result.room.created_at;
        let room = Room { id, code, owner_token, secret, created_at, expires_at: created_at.plus(DAY) };
        let room = ModelRoom::new(room, settings);
        let model = room.state(result.now);
        self.rooms.insert(number, room);
        ensure_same(result, model)
    }

    async fn react(&mut self, store: &Arc<dyn Store>, number: u8, reaction: Reaction) -> Result<(), String> {
        let result = comparable(store.react(reaction.clone()).await);
        let due = result.as_ref().ok().and_then(|reacted| reacted.due);
        let Some(room) = self.rooms.get_mut(&number) else {
            return ensure_same(result, refused(StoreError::NotFound));
        };
        let head = room.head();
        let had_entry = room.log.iter().any(
            |entry| matches!(&entry.kind, EventKind::ReactionsChanged(message) if message.id.index == reaction.message),
        );
        if due.is_some_and(|due| !had_entry || due > REACTIONS_INTERVAL) {
            return Err(format!("the first change of reactions, or a later one, is only due after {due:?}"));
        }
        let is_changed = match comparable(room.react(&reaction, due.is_some())) {
            Ok(is_changed) => is_changed,
            Err(refused) => return ensure_same(result, Err(refused)),
        };
        if is_changed && due.is_none() {
            self.adopt_entries(store, number, head, 1).await?;
        }
        let room = &self.rooms[&number];
        let message = room.messages[reaction.message as usize].clone();
        if is_changed && due.is_none() {
            ensure_same(room.head().tag, reaction.tag)?;
        }
        ensure_same(result, Ok(Reacted { message, head: room.head(), due }))
    }

    async fn log_reactions(&mut self, store: &Arc<dyn Store>, number: u8) -> Result<(), String> {
        let result = comparable(store.log_reactions(room_id(number)).await);
        let Some(room) = self.rooms.get_mut(&number) else {
            return ensure_same(result, refused(StoreError::NotFound));
        };
        let (head, marked) = (room.head(), room.marked.len());
        let due = result?;
        let logged = comparable(store.read_log(room_id(number), head, 100).await)?.len();
        self.adopt_entries(store, number, head, logged).await?;
        let room = self.rooms.get_mut(&number).expect("the room");
        for entry in &room.log[room.log.len() - logged..] {
            let message = entry.kind.message().expect("a message").id.index;
            if !room.marked.contains(&message) {
                return Err(format!("message {message} was not marked"));
            }
            room.marked.retain(|marked| *marked != message);
        }
        ensure_same(room.marked.len(), marked - logged)?;
        ensure_same(due.is_some(), !room.marked.is_empty())
    }

    /// Takes over the entries about reactions that the store appended.
    async fn adopt_entries(
        &mut self,
        store: &Arc<dyn Store>,
        number: u8,
        head: Position,
        count: usize,
    ) -> Result<(), String> {
        let events = comparable(store.read_log(room_id(number), head, 100).await)?;
        let room = self.rooms.get_mut(&number).expect("the room");
        for event in &events {
            let EventKind::ReactionsChanged(message) = &event.kind else {
                return Err(format!("{event:?} is not about reactions"));
            };
            ensure_same(Some(message), room.messages.get(message.id.index as usize))?;
            ensure_same(event.position.seq, room.head().seq.next())?;
            room.log.push(Entry { position: event.position, at: event.at, kind: event.kind.clone() });
        }
        ensure_same(events.len(), count)
    }

    async fn bans(&self, store: &Arc<dyn Store>, room: u8, skip: usize, limit: u32) -> Result<(), String> {
        let all = comparable(store.bans(room_id(room), None, 100).await);
        let Ok(model) = self.room(room) else { return ensure_same(all, refused(StoreError::NotFound)) };
        let (all, total) = (all?, model.bans.len());
        let bans: Vec<_> = model.bans.iter().map(|(ban, _)| ban.clone()).collect();
        // The name in the list is the current one.
        let renamed =
            bans.into_iter().map(|ban| Ban { user: model.member(&ban.user.id, None).expect("a user").user, ..ban });
        let renamed: Vec<_> = renamed.collect();
        ensure_same(all.bans.iter().map(|(_, ban)| ban.clone()).collect(), renamed.clone())?;
        ensure_same((all.more, all.total), (false, total as u64))?;
        let after = skip.checked_sub(1).and_then(|last| all.bans.get(last)).map(|(index, _)| *index);
        let first = if after.is_some() { skip } else { 0 };
        let page = comparable(store.bans(room_id(room), after, limit).await)?;
        let expected: Vec<_> = all.bans.into_iter().skip(first).take(limit as usize).collect();
        let more = total > first + expected.len();
        ensure_same(page, BanPage { bans: expected, more, total: total as u64 })
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
        let listed = || self.rooms.values().filter(|room| room.settings.listed);
        let total = listed().count();
        ensure_same((result.total, result.more), (total as u64, total > limit.into()))?;
        // The order of rooms with the same timestamp is up to the store.
        let mut newest: Vec<Timestamp> = listed().map(|room| room.room.created_at).collect();
        newest.sort_unstable_by(|a, b| b.cmp(a));
        newest.truncate(limit.into());
        ensure_same(result.rooms.iter().map(|state| state.room.created_at).collect(), newest)?;
        for state in result.rooms {
            let model = listed().find(|room| room.room.id == state.room.id);
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
        let user = User { avatar_url: None, ..user(number, 0) };
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
        comparable(store.forget_new_user(&user(number, 0).id, token.hash()).await)?;
        if self.users.get(&number).is_some_and(|user| user.current == token && !user.is_confirmed) {
            self.users.remove(&number);
        }
        Ok(())
    }
}
