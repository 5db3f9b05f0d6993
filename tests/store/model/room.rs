//! The expected state of one room, and how changes change it.

use std::collections::BTreeMap;

use livechat::domain::ban::Ban;
use livechat::domain::event::{Event, EventKind};
use livechat::domain::message::{Message, MessageId};
use livechat::domain::position::{Position, Seq};
use livechat::domain::reaction::{Emoji, REACTION_TOGGLES_MAX, ReactionCount};
use livechat::domain::room::{Room, RoomSettings};
use livechat::domain::timestamp::Timestamp;
use livechat::domain::user::{Role, User, UserId};
use livechat::store::{
    Actor, AddressHash, Change, Commit, Committed, Denial, Member, Reaction, RoomLimits, RoomState, StoreError,
};

pub struct ModelRoom {
    pub room: Room,
    pub settings: RoomSettings,
    pub messages: Vec<Message>,
    pub log: Vec<Entry>,
    /// In the order in which they sent their first messages or joined.
    members: Vec<ModelMember>,
    /// In the order in which they were made, each with the address that it also forbids.
    pub bans: Vec<(Ban, Option<AddressHash>)>,
    /// Users and addresses that sent a message in slow mode, or before it was switched on. No pause ends during a test.
    paused: Vec<Paused>,
    /// Each user's reactions, including removed ones, with the number of times that they changed.
    reactions: BTreeMap<(u64, UserId, Emoji), u32>,
    /// The messages whose reactions have changed since their last entry.
    pub marked: Vec<u64>,
    pub reaction_changes: u64,
}

#[derive(Clone)]
pub struct Entry {
    pub position: Position,
    pub at: Timestamp,
    /// A message in it is replaced by its current state.
    pub kind: EventKind,
}

struct ModelMember {
    user: User,
    role: Role,
    address: Option<AddressHash>,
    has_sent: bool,
}

#[derive(PartialEq)]
enum Paused {
    User(UserId),
    Address(AddressHash),
}

impl ModelRoom {
    pub fn new(room: Room, settings: RoomSettings) -> Self {
        let (messages, log, members, bans, paused, reactions, marked) = Default::default();
        Self { room, settings, messages, log, members, bans, paused, reactions, marked, reaction_changes: 0 }
    }

    pub fn head(&self) -> Position {
        self.log.last().map_or(Position::START, |entry| entry.position)
    }

    pub fn users(&self) -> Vec<User> {
        self.members.iter().filter(|member| member.has_sent).map(|member| member.user.clone()).collect()
    }

    pub fn state(&self, now: Timestamp) -> RoomState {
        RoomState {
            room: self.room.clone(),
            now,
            head: self.head(),
            message_count: self.messages.len() as u64,
            user_count: self.users().len() as u64,
            settings: self.settings.clone(),
            reaction_changes: self.reaction_changes,
        }
    }

    pub fn event(&self, entry: &Entry) -> Event {
        let Entry { position, at, kind } = entry.clone();
        let event = Event { room: self.room.id, position, at, kind };
        match event.message() {
            Some(message) => event.with_message(self.messages[message.id.index as usize].clone()),
            None => event,
        }
    }

    pub fn position(&self, entries: u8) -> Position {
        let entries = self.log.len().min(entries.into());
        entries.checked_sub(1).map_or(Position::START, |last| self.log[last].position)
    }

    pub fn member(&self, user: &UserId, address: Option<AddressHash>) -> Option<Member> {
        let ModelMember { user, role, .. } = self.find_member(user)?;
        let banned_until = if *role == Role::Owner { None } else { self.ban_end(&user.id, address) };
        Some(Member { user: user.clone(), role: *role, banned_until, head: self.head() })
    }

    pub fn reactions_of(&self, user: &UserId, message: u64) -> Vec<Emoji> {
        let is_on =
            |(key, toggles): &(&(u64, UserId, Emoji), &u32)| key.0 == message && key.1 == *user && *toggles % 2 == 1;
        self.reactions.iter().filter(is_on).map(|(key, _)| key.2.clone()).collect()
    }

    /// Whether a change is decided on a message that is known to be deleted. The service never commits that, so the contract
    /// does not define the result.
    pub fn is_undefined(&self, change: &Change) -> bool {
        let (Change::Edit { index, revision, .. } | Change::Delete { index, revision, .. }) = change else {
            return false;
        };
        let message = self.messages.get(*index as usize);
        message.is_some_and(|message| message.deleted_at.is_some() && message.revision == *revision)
    }

    /// Applies the change at the time that the store gave it.
    pub fn commit(&mut self, commit: &Commit, at: Timestamp) -> Result<Committed, StoreError> {
        let position = Position { seq: self.head().seq.next(), tag: commit.tag };
        let kind = match &commit.change {
            Change::Send { author, text, client_message_id, reply_to, limits } => {
                let is_repeat = |event: &Event| {
                    matches!(&event.kind, EventKind::Sent(message)
                        if client_message_id.is_some()
                            && message.client_message_id == *client_message_id
                            && message.author.id == author.user.id)
                };
                if let Some(first) = self.log.iter().map(|entry| self.event(entry)).find(is_repeat) {
                    return Ok(Committed::Repeated(first));
                }
                self.check_rules(author)?;
                let paused = self.check_pause(author)?;
                let index = self.messages.len() as u64;
                if reply_to.is_some_and(|target| target >= index) {
                    return Err(StoreError::NoSuchTarget);
                }
                if index >= limits.messages || self.reserved() + 2 > limits.events {
                    return Err(StoreError::Full);
                }
                self.paused.extend(paused);
                let author_role = self.save_member(author, true);
                let id = MessageId { room: self.room.id, index };
                let mut message = Message::new(id, author.user.clone(), at, position.seq);
                (message.author_role, message.text) = (author_role, Some(text.clone()));
                (message.client_message_id, message.reply_to) = (client_message_id.clone(), *reply_to);
                self.messages.push(message.clone());
                EventKind::Sent(message)
            }
            Change::Edit { editor, index, revision, text, limits } => {
                self.check_rules(editor)?;
                self.find_for_change(*index, *revision)?;
                let edits =
                    |entry: &&Entry| matches!(&entry.kind, EventKind::Edited(message) if message.id.index == *index);
                if self.log.iter().filter(edits).count() as u64 >= limits.edits {
                    return Err(StoreError::EditLimit);
                }
                self.check_space(*limits)?;
                self.save_actor(editor);
                let message = self.find_for_change(*index, *revision)?;
                message.text = Some(text.clone());
                message.edited_at = Some(at);
                message.revision = position.seq;
                EventKind::Edited(message.clone())
            }
            Change::Delete { by, index, revision } => {
                let message = self.find_for_change(*index, *revision)?;
                (message.text, message.reactions) = (None, Vec::new());
                (message.deleted_at, message.deleted_by) = (Some(at), Some(*by));
                message.revision = position.seq;
                let message = message.clone();
                self.marked.retain(|marked| marked != index);
                self.reactions.retain(|key, _| key.0 != *index);
                EventKind::Deleted(message)
            }
            Change::Update { settings, limits } => {
                self.check_space(*limits)?;
                let old_seconds = self.settings.slow_mode_seconds;
                self.settings = settings.clone().apply(self.settings.clone());
                if self.settings.slow_mode_seconds > old_seconds {
                    let authors = self.messages.iter().map(|message| Paused::User(message.author.id.clone()));
                    self.paused.extend(authors);
                }
                EventKind::RoomUpdated(self.settings.clone())
            }
            Change::Ban { user, duration, reason, limits } => {
                let member = self.find_member(user).ok_or(StoreError::NoSuchTarget)?;
                if member.role == Role::Owner {
                    return Err(StoreError::Denied(Denial::IsOwner));
                }
                let (user, address) = (member.user.clone(), member.address.filter(|_| !user.is_signed()));
                self.check_space(*limits)?;
                let ban = Ban { user, at, until: duration.map(|duration| at.plus(duration)), reason: reason.clone() };
                self.bans.retain(|(other, _)| other.user.id != ban.user.id);
                self.bans.push((ban.clone(), address));
                EventKind::UserBanned(ban)
            }
            Change::Unban { user, limits } => {
                let user = self.find_member(user).ok_or(StoreError::NoSuchTarget)?.user.clone();
                self.check_space(*limits)?;
                self.bans.retain(|(ban, _)| ban.user.id != user.id);
                EventKind::UserUnbanned(user)
            }
        };
        let entry = Entry { kind, position, at };
        let event = self.event(&entry);
        self.log.push(entry);
        Ok(Committed::New(event))
    }

    pub fn join(&mut self, actor: &Actor) -> Result<Member, StoreError> {
        self.check_ban(actor)?;
        self.save_member(actor, false);
        self.member(&actor.user.id, actor.address).ok_or(StoreError::NotFound)
    }

    /// Applies a reaction. `is_marked` tells whether the store made no entry yet, which depends on the time. Returns whether
    /// anything changed.
    pub fn react(&mut self, reaction: &Reaction, is_marked: bool) -> Result<bool, StoreError> {
        let Reaction { actor, message: index, emoji, add, limits, .. } = reaction;
        self.check_rules(actor)?;
        let message = self.messages.get(*index as usize).filter(|message| message.deleted_at.is_none());
        let kinds = message.ok_or(StoreError::NotFound)?.reactions.len();
        let key = (*index, actor.user.id.clone(), emoji.clone());
        let toggles = self.reactions.get(&key).copied().unwrap_or(0);
        if (toggles % 2 == 1) == *add {
            self.save_actor(actor);
            return Ok(false);
        }
        if toggles >= REACTION_TOGGLES_MAX {
            return Err(StoreError::EditLimit);
        }
        assert!(kinds <= 3, "the limit of kinds is not modelled");
        let is_reserved = self.marked.contains(index);
        let entries = self.log.iter().filter(|entry| matches!(entry.kind, EventKind::ReactionsChanged(_))).count();
        if !is_reserved && (entries + self.marked.len()) as u64 >= limits.events / 4 {
            return Err(StoreError::Full);
        }
        if !is_reserved {
            self.check_space(*limits)?;
        }
        self.save_actor(actor);
        self.reactions.insert(key, toggles + 1);
        self.reaction_changes += 1;
        let count = |emoji: &Emoji| {
            let is_counted = |(key, toggles): &(&(u64, UserId, Emoji), &u32)| {
                key.0 == *index && key.2 == *emoji && *toggles % 2 == 1
            };
            self.reactions.iter().filter(is_counted).count() as u32
        };
        let mut kinds: Vec<Emoji> =
            self.reactions.keys().filter(|key| key.0 == *index).map(|key| key.2.clone()).collect();
        kinds.sort();
        kinds.dedup();
        let counts = kinds.into_iter().map(|emoji| ReactionCount { count: count(&emoji), emoji });
        let mut counts: Vec<_> = counts.filter(|counted| counted.count > 0).collect();
        counts.sort_by_key(|counted| std::cmp::Reverse(counted.count));
        let message = &mut self.messages[*index as usize];
        message.reactions = counts;
        message.reaction_changes += 1;
        self.marked.retain(|marked| marked != index);
        if is_marked {
            self.marked.push(*index);
        }
        Ok(true)
    }

    /// The end of the last ban that holds. No ban ends during a test.
    fn ban_end(&self, user: &UserId, address: Option<AddressHash>) -> Option<Option<Timestamp>> {
        let address = address.filter(|_| !user.is_signed());
        let holds = |(ban, banned): &&(Ban, Option<AddressHash>)| {
            ban.user.id == *user || address.is_some() && *banned == address
        };
        let ends = self.bans.iter().filter(holds).map(|(ban, _)| ban.until);
        ends.max_by_key(|until| (until.is_none(), *until))
    }

    fn is_owner(&self, actor: &Actor) -> bool {
        actor.is_owner || self.find_member(&actor.user.id).is_some_and(|member| member.role == Role::Owner)
    }

    fn check_ban(&self, actor: &Actor) -> Result<(), StoreError> {
        match self.ban_end(&actor.user.id, actor.address) {
            Some(until) if !self.is_owner(actor) => Err(StoreError::Denied(Denial::Banned { until })),
            _ => Ok(()),
        }
    }

    fn check_rules(&self, actor: &Actor) -> Result<(), StoreError> {
        self.check_ban(actor)?;
        if self.settings.locked && !self.is_owner(actor) { Err(StoreError::Denied(Denial::Locked)) } else { Ok(()) }
    }

    /// Returns what the message pauses.
    fn check_pause(&self, author: &Actor) -> Result<Vec<Paused>, StoreError> {
        if self.settings.slow_mode_seconds == 0 || self.is_owner(author) {
            return Ok(Vec::new());
        }
        let id = &author.user.id;
        let is_first = !self.find_member(id).is_some_and(|member| member.has_sent);
        let address = author.address.filter(|_| is_first && !id.is_signed());
        let pauses: Vec<_> = [Paused::User(id.clone())].into_iter().chain(address.map(Paused::Address)).collect();
        if pauses.iter().any(|pause| self.paused.contains(pause)) {
            return Err(StoreError::Denied(Denial::SlowMode { retry_after: std::time::Duration::ZERO }));
        }
        Ok(pauses)
    }

    fn find_member(&self, user: &UserId) -> Option<&ModelMember> {
        self.members.iter().find(|member| member.user.id == *user)
    }

    /// Stores a user who sends or joins. Returns its role.
    fn save_member(&mut self, actor: &Actor, sends: bool) -> Role {
        let place = self.members.iter().position(|member| member.user.id == actor.user.id);
        let mut member = match place {
            Some(place) if sends && !self.members[place].has_sent => self.members.remove(place),
            Some(place) => {
                let member = &mut self.members[place];
                member.update(actor);
                return member.role;
            }
            None => ModelMember { user: actor.user.clone(), role: Role::Member, address: None, has_sent: false },
        };
        member.update(actor);
        member.has_sent = sends;
        let role = member.role;
        self.members.push(member);
        role
    }

    /// Stores what an edit or a reaction tells about its user.
    fn save_actor(&mut self, actor: &Actor) {
        if let Some(member) = self.members.iter_mut().find(|member| member.user.id == actor.user.id) {
            member.update_access(actor);
        }
    }

    /// Entries of the log, including those reserved for deletions and for marked messages.
    fn reserved(&self) -> u64 {
        let live = self.messages.iter().filter(|message| message.deleted_at.is_none()).count();
        (self.log.len() + live + self.marked.len()) as u64
    }

    fn check_space(&self, limits: RoomLimits) -> Result<(), StoreError> {
        if self.reserved() < limits.events { Ok(()) } else { Err(StoreError::Full) }
    }

    fn find_for_change(&mut self, index: u64, revision: Seq) -> Result<&mut Message, StoreError> {
        let message = self.messages.get_mut(index as usize).ok_or(StoreError::NotFound)?;
        if message.revision == revision { Ok(message) } else { Err(StoreError::Conflict) }
    }

    pub fn read_log(&self, after: Position, limit: u8) -> Result<Vec<Event>, StoreError> {
        let known = std::iter::once(Position::START).chain(self.log.iter().map(|entry| entry.position));
        let Some((read, _)) = known.enumerate().find(|(_, position)| *position == after) else {
            return Err(StoreError::ForeignPosition);
        };
        Ok(self.log[read..].iter().take(limit.into()).map(|entry| self.event(entry)).collect())
    }
}

impl ModelMember {
    fn update(&mut self, actor: &Actor) {
        if actor.user.id.is_signed() {
            self.user = actor.user.clone();
        }
        self.update_access(actor);
    }

    fn update_access(&mut self, actor: &Actor) {
        if actor.is_owner {
            self.role = Role::Owner;
        }
        self.address = actor.address.or(self.address);
    }
}
