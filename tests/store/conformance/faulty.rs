//! A wrapper of a correct store that breaks the contract in one way, or simulates an outage or a panic on request.

mod fault;
mod forward;
mod rules;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use livechat::domain::event::Event;
use livechat::domain::page::Window;
use livechat::domain::position::Position;
use livechat::domain::presence::Typing;
use livechat::domain::reaction::Emoji;
use livechat::domain::room::RoomId;
use livechat::domain::timestamp::Timestamp;
use livechat::domain::token::TokenHash;
use livechat::domain::user::{User, UserId};
use livechat::store::{
    ActiveRooms, Actor, AddressHash, Admission, Admitted, AttemptLimits, AttemptingClient, BanPage, Change,
    CodeAttempt, Commit, Committed, FailureCounters, FailureOutcome, FailureRecord, Feed, FeedItem, LockoutPolicy,
    Member, NewMessage, NewRoom, PresenceReport, PresentUsers, Reacted, Reaction, RoomLimits, RoomState, Sent,
    Snapshot, Store, StoreError, Subject, UserPage,
};
use tokio::sync::broadcast;

use super::kit::{DAY, message_of};
pub use fault::Fault;
use forward::{Outages, SHARED_SEQ, forward, renumbered};
use rules::RuleFaults;

/// The pause between the two steps of a send.
const STEP_PAUSE: Duration = Duration::from_millis(5);

/// Part of the message of every requested panic.
pub const PANIC_SECRET: &str = "open-sesame";

/// Why reads fail during an outage.
pub const OUTAGE: &str = "down for a while";

/// A call that can be made to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    Snapshot,
    ReadLog,
    ReportViewers,
}

pub struct FaultyStore {
    inner: Arc<dyn Store>,
    fault: Fault,
    feed: broadcast::Sender<FeedItem>,
    /// All events of each room.
    written: Mutex<HashMap<RoomId, Vec<Event>>>,
    /// Registered users, each with its first token.
    created: Mutex<HashMap<UserId, TokenHash>>,
    forgotten: Mutex<HashSet<UserId>>,
    /// When rooms should have expired.
    expiries: Mutex<HashMap<RoomId, Timestamp>>,
    ended: Mutex<HashSet<RoomId>>,
    rules: RuleFaults,
    outages: Arc<Outages>,
    /// The calls that panic, each with the number of calls that still succeed.
    panics: Mutex<HashMap<Call, u32>>,
}

impl FaultyStore {
    pub fn new(inner: Arc<dyn Store>, fault: Fault) -> Arc<Self> {
        let (feed, _) = broadcast::channel(4_096);
        let outages = Arc::<Outages>::default();
        tokio::spawn(forward(inner.feed(), fault, feed.clone(), Arc::clone(&outages)));
        let (written, created, forgotten, expiries, ended) = Default::default();
        let (rules, panics) = Default::default();
        Arc::new(Self { inner, fault, feed, written, created, forgotten, expiries, ended, rules, outages, panics })
    }

    /// Loses events from now on, until none come for a while.
    pub fn cut(&self) {
        self.outages.is_cut.store(true, Ordering::SeqCst);
    }

    /// Whether events are still being lost.
    pub fn is_cut(&self) -> bool {
        self.outages.is_cut.load(Ordering::SeqCst)
    }

    /// Makes the log and the reactions of users unreadable, or readable again.
    pub fn set_down(&self, is_down: bool) {
        self.outages.is_down.store(is_down, Ordering::SeqCst);
    }

    /// How many reads of the log have been refused.
    pub fn refused_reads(&self) -> usize {
        self.outages.refused_reads.load(Ordering::SeqCst)
    }

    /// Refuses all positions from now on, as after a failover to a node that lost writes.
    pub fn lose_log(&self) {
        self.outages.has_lost_its_log.store(true, Ordering::SeqCst);
    }

    /// Makes this call panic once `calls` more have succeeded.
    pub fn panic_after(&self, call: Call, calls: u32) {
        self.panics.lock().expect("no panic").insert(call, calls);
    }

    /// Lets all calls succeed again.
    pub fn stop_panics(&self) {
        self.panics.lock().expect("no panic").clear();
    }

    /// Counts a call. Panics if it was requested.
    fn count(&self, call: Call) {
        let left = self
            .panics
            .lock()
            .expect("no panic")
            .get_mut(&call)
            .map(|left| std::mem::replace(left, left.saturating_sub(1)));
        assert_ne!(left, Some(0), "a panic with {PANIC_SECRET}");
    }

    /// Checks the limits against the current state of the room.
    async fn check_limits(&self, commit: &Commit) -> Result<(), StoreError> {
        let (Change::Send { limits, .. } | Change::Edit { limits, .. }) = &commit.change else { return Ok(()) };
        let state = self.inner.snapshot(commit.room, None).await?.state;
        // Gives concurrent changes time to do the same.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let is_full = state.message_count >= limits.messages || state.head.seq.0 >= limits.events;
        if is_full { Err(StoreError::Full) } else { Ok(()) }
    }

    /// Fails if the room was ended.
    fn check_not_ended(&self, room: RoomId) -> Result<(), StoreError> {
        let ended = self.ended.lock().expect("no panic");
        if ended.contains(&room) { Err(StoreError::NotFound) } else { Ok(()) }
    }

    /// The state with the expiry that the room should have.
    fn with_expiry(&self, mut state: RoomState) -> RoomState {
        if let Some(end) = self.expiries.lock().expect("no panic").get(&state.room.id) {
            state.room.expires_at = *end;
        }
        state
    }
}

/// Removes the limits of a change.
fn remove_limits(commit: &mut Commit) {
    if let Change::Send { limits, .. } | Change::Edit { limits, .. } = &mut commit.change {
        *limits = RoomLimits { messages: u64::MAX, events: u64::MAX, edits: u64::MAX };
    }
}

#[async_trait]
impl FailureCounters for FaultyStore {
    async fn record_failure(&self, subject: Subject, policy: LockoutPolicy) -> Result<FailureOutcome, StoreError> {
        let outcome = self.inner.record_failure(subject, policy).await?;
        if let (Fault::FailuresNotCounted, FailureOutcome::Counted(record)) = (self.fault, outcome) {
            self.inner.undo_failure(subject, record).await?;
        }
        Ok(outcome)
    }

    async fn undo_failure(&self, subject: Subject, record: FailureRecord) -> Result<(), StoreError> {
        self.inner.undo_failure(subject, record).await
    }
}

#[deny(clippy::missing_trait_methods, reason = "a default body would bypass the wrapped store")]
#[async_trait]
impl Store for FaultyStore {
    async fn create_room(&self, mut room: NewRoom) -> Result<RoomState, StoreError> {
        self.rules.change_room(self.fault, &mut room);
        if self.fault != Fault::IgnoresExpiry {
            return self.inner.create_room(room).await;
        }
        let (id, ttl) = (room.id, std::mem::replace(&mut room.ttl, DAY));
        let state = self.inner.create_room(room).await?;
        self.expiries.lock().expect("no panic").insert(id, state.room.created_at.plus(ttl));
        Ok(self.with_expiry(state))
    }

    async fn end_room(&self, room: RoomId) -> Result<(), StoreError> {
        if self.fault != Fault::EndedRoomRemains {
            return self.inner.end_room(room).await;
        }
        self.check_not_ended(room)?;
        self.ended.lock().expect("no panic").insert(room);
        let _ = self.feed.send(FeedItem::Ended(room));
        Ok(())
    }

    async fn bans(&self, room: RoomId, after: Option<u64>, limit: u32) -> Result<BanPage, StoreError> {
        self.inner.bans(room, after, limit).await
    }

    async fn member(
        &self,
        room: RoomId,
        user: &UserId,
        address: Option<AddressHash>,
    ) -> Result<Option<Member>, StoreError> {
        let address = address.filter(|_| self.fault != Fault::PresentAddressIgnored);
        self.inner.member(room, user, address).await
    }

    async fn join(&self, room: RoomId, mut actor: Actor) -> Result<Member, StoreError> {
        self.rules.change_actor(self.fault, &mut actor);
        self.inner.join(room, actor).await
    }

    async fn reactions_by(&self, room: RoomId, user: &UserId, messages: &[u64]) -> Result<Vec<Vec<Emoji>>, StoreError> {
        if self.outages.is_down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable(OUTAGE.into()));
        }
        self.inner.reactions_by(room, user, messages).await
    }

    async fn react(&self, mut reaction: Reaction) -> Result<Reacted, StoreError> {
        self.rules.change_reaction(self.fault, &mut reaction);
        self.inner.react(reaction).await
    }

    async fn log_reactions(&self, room: RoomId) -> Result<Option<Duration>, StoreError> {
        if self.fault == Fault::GatheredReactionsLost { Ok(None) } else { self.inner.log_reactions(room).await }
    }

    async fn announce_typing(&self, room: RoomId, typing: Typing) -> Result<(), StoreError> {
        if self.fault == Fault::TypingLost { Ok(()) } else { self.inner.announce_typing(room, typing).await }
    }

    async fn report_presence(&self, room: RoomId, report: PresenceReport) -> Result<bool, StoreError> {
        self.inner.report_presence(room, report).await
    }

    async fn present_elsewhere(&self, room: RoomId) -> Result<PresentUsers, StoreError> {
        self.inner.present_elsewhere(room).await
    }

    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError> {
        self.count(Call::Snapshot);
        self.check_not_ended(room)?;
        let Snapshot { state, messages } = self.inner.snapshot(room, window).await?;
        Ok(Snapshot { state: self.with_expiry(state), messages })
    }

    async fn users(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError> {
        let result = self.inner.users(room, window).await;
        match self.written.lock().expect("no panic").get(&room) {
            Some(written) if result.is_err() && self.fault == Fault::SideKeysOutliveRoom => {
                let users: Vec<_> = written.iter().map(|event| message_of(event).author.clone()).collect();
                Ok(UserPage { total: users.len() as u64, users })
            }
            _ => result,
        }
    }

    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError> {
        let mut active = self.inner.active_rooms(after, limit).await?;
        active.rooms = active.rooms.into_iter().map(|state| self.with_expiry(state)).collect();
        Ok(active)
    }

    async fn authenticate(&self, mut admission: Admission) -> Result<Admitted, StoreError> {
        let (user, token) = (admission.user.clone(), admission.next_token);
        // The inner store still has a user that was wrongly forgotten, so its id is mapped to another one.
        if self.forgotten.lock().expect("no panic").contains(&user) {
            admission.user = UserId::from_stored(format!("{} once more", user.as_str()));
        }
        let admitted = self.inner.authenticate(admission).await?;
        let with_id = |found: User| User { id: user.clone(), ..found };
        Ok(match admitted {
            Admitted::Created(found) => {
                self.created.lock().expect("no panic").insert(user.clone(), token);
                Admitted::Created(with_id(found))
            }
            Admitted::Rotated(found) => Admitted::Rotated(with_id(found)),
            Admitted::Repeated(found, sealed) => Admitted::Repeated(with_id(found), sealed),
            refused => refused,
        })
    }

    async fn send(&self, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
        if !matches!(self.fault, Fault::ForgetsAuthenticatedUsers | Fault::StopsWithCaller) {
            return self.inner.send(admission, message).await;
        }
        let token = admission.next_token;
        let admitted = self.authenticate(admission).await?;
        let Some(author) = admitted.user().cloned() else { return Ok(Sent { admitted, committed: None }) };
        tokio::time::sleep(STEP_PAUSE).await;
        match self.inner.commit(message.into_commit(author.clone())).await {
            Ok(committed) => Ok(Sent { admitted, committed: Some(committed) }),
            Err(refused) => {
                if matches!(admitted, Admitted::Created(_)) {
                    self.forget_new_user(&author.id, token).await?;
                }
                Err(refused)
            }
        }
    }

    async fn forget_new_user(&self, user: &UserId, token: TokenHash) -> Result<(), StoreError> {
        if self.fault != Fault::ForgetsAuthenticatedUsers {
            return self.inner.forget_new_user(user, token).await;
        }
        if self.created.lock().expect("no panic").get(user) == Some(&token) {
            self.forgotten.lock().expect("no panic").insert(user.clone());
        }
        Ok(())
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let mut commit = commit;
        self.check_not_ended(commit.room)?;
        self.rules.change_commit(self.fault, &*self.inner, &mut commit).await?;
        if self.fault == Fault::LimitsNotAtomic {
            self.check_limits(&commit).await?;
            remove_limits(&mut commit);
        }
        let committed = self.inner.commit(commit).await?;
        if let Committed::New(event) = &committed {
            self.written.lock().expect("no panic").entry(event.room).or_default().push(event.clone());
        }
        Ok(match committed {
            Committed::New(event) if self.fault == Fault::SharedSeq => Committed::New(renumbered(event)),
            committed => committed,
        })
    }

    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.count(Call::ReadLog);
        if self.outages.is_down.load(Ordering::SeqCst) {
            self.outages.refused_reads.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::Unavailable(OUTAGE.into()));
        }
        if self.outages.has_lost_its_log.load(Ordering::SeqCst) {
            return Err(StoreError::ForeignPosition);
        }
        let mut result = self.inner.read_log(room, after, limit).await;
        match self.fault {
            Fault::SideKeysOutliveRoom if result.is_err() => match self.written.lock().expect("no panic").get(&room) {
                Some(written) => Ok(written.iter().filter(|event| event.position.seq > after.seq).cloned().collect()),
                None => result,
            },
            Fault::SharedSeq => {
                if result.is_err() && after.seq >= SHARED_SEQ {
                    result = self.inner.read_log(room, Position { seq: after.seq.next(), ..after }, limit).await;
                }
                result.map(|events| events.into_iter().map(renumbered).collect())
            }
            _ => result,
        }
    }

    fn feed(&self) -> Feed {
        Feed::new(&self.feed)
    }

    fn subscribe(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        self.inner.subscribe(room)
    }

    fn unsubscribe(&self, room: RoomId) {
        self.inner.unsubscribe(room);
    }

    async fn report_viewers(&self, counts: &[(RoomId, u32)]) -> Result<(), StoreError> {
        self.count(Call::ReportViewers);
        self.inner.report_viewers(counts).await
    }

    async fn viewers_elsewhere(&self, rooms: &[RoomId]) -> Result<Vec<u32>, StoreError> {
        self.inner.viewers_elsewhere(rooms).await
    }

    async fn begin_code_attempt(
        &self,
        room: RoomId,
        client: AttemptingClient,
        limits: Option<AttemptLimits>,
    ) -> Result<CodeAttempt, StoreError> {
        self.inner.begin_code_attempt(room, client, limits).await
    }

    async fn trust_client(&self, room: RoomId, client: AttemptingClient, counted: bool) -> Result<(), StoreError> {
        self.inner.trust_client(room, client, counted).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.inner.ping().await
    }
}
