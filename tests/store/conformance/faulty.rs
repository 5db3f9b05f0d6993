//! A store around a correct one that breaks the contract in one chosen way, or has trouble when told to.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use livechat::domain::event::{Event, Position, Seq};
use livechat::domain::page::Window;
use livechat::domain::room::{RoomCode, RoomId};
use livechat::domain::timestamp::Timestamp;
use livechat::domain::user::{TokenHash, User, UserId};
use livechat::store::{
    ActiveRooms, Admission, Admitted, AttemptLimits, AttemptingClient, Change, CodeAttempt, Commit, Committed,
    FailureCounters, FailureOutcome, FailureRecord, Feed, FeedItem, LockoutPolicy, NewMessage, RoomLimits, RoomState,
    Sent, Snapshot, Store, StoreError, Subject, UserPage,
};
use tokio::sync::broadcast;

use super::kit::DAY;

/// How a store breaks the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not at all.
    None,
    /// What a slow feed has no room for is dropped without a word.
    LagIgnored,
    /// Rooms say when they end, and go on.
    ExpiryIgnored,
    /// The room itself ends, its log and its users stay.
    SideKeysStay,
    /// A feed that was cut goes on as if nothing had been lost.
    NoResync,
    /// The fifth and the sixth change of a room have one number.
    SharedSeq,
    /// Failures are accepted and not counted.
    FailuresIgnored,
    /// A user whom a refused message made known is withdrawn even if it was admitted again meanwhile.
    OthersWithdrawn,
    /// A send stops where it is when its caller goes away.
    StopsHalfWay,
    /// Limits are looked at before a change and not in the same step.
    LimitsNotAtomic,
}

/// Announcements that a feed which ignores its lag has room for.
const ROOM_IN_THE_FEED: usize = 16;

/// A burst, or a cut, is over when nothing more is announced for so long.
const QUIET: Duration = Duration::from_millis(300);

/// The pause between the steps of a send that has steps.
const BETWEEN_STEPS: Duration = Duration::from_millis(5);

/// The number that two changes share.
const SHARED: Seq = Seq(5);

pub struct FaultyStore {
    inner: Arc<dyn Store>,
    fault: Fault,
    announcements: broadcast::Sender<FeedItem>,
    /// What was committed to each room.
    written: Mutex<HashMap<RoomId, Vec<Event>>>,
    /// Users that were made known, each with the token it got.
    created: Mutex<HashMap<UserId, TokenHash>>,
    withdrawn: Mutex<HashSet<UserId>>,
    /// When rooms should have ended.
    ends: Mutex<HashMap<RoomId, Timestamp>>,
    trouble: Arc<Trouble>,
}

/// What the store is going through.
#[derive(Default)]
struct Trouble {
    is_cut: AtomicBool,
    is_down: AtomicBool,
    has_lost_its_log: AtomicBool,
    readings_refused: AtomicUsize,
}

impl FaultyStore {
    pub fn around(inner: Arc<dyn Store>, fault: Fault) -> Arc<Self> {
        let (announcements, _) = broadcast::channel(4_096);
        let trouble = Arc::<Trouble>::default();
        tokio::spawn(forward(inner.feed(), fault, announcements.clone(), Arc::clone(&trouble)));
        let (written, created, withdrawn, ends) = Default::default();
        Arc::new(Self { inner, fault, announcements, written, created, withdrawn, ends, trouble })
    }

    /// From now on announcements are lost, until there are none for a while.
    pub fn cut(&self) {
        self.trouble.is_cut.store(true, Ordering::SeqCst);
    }

    /// Whether announcements are still being lost.
    pub fn is_cut(&self) -> bool {
        self.trouble.is_cut.load(Ordering::SeqCst)
    }

    /// Makes the log unreadable, or readable again.
    pub fn set_down(&self, is_down: bool) {
        self.trouble.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Readings of the log that were refused so far.
    pub fn readings_refused(&self) -> usize {
        self.trouble.readings_refused.load(Ordering::SeqCst)
    }

    /// From now on no position is known, as after a failover to a node that has less.
    pub fn lose_log(&self) {
        self.trouble.has_lost_its_log.store(true, Ordering::SeqCst);
    }

    /// What the limits say about the room as it is now.
    async fn check_limits(&self, commit: &Commit) -> Result<(), StoreError> {
        let (Change::Send { limits, .. } | Change::Edit { limits, .. }) = &commit.change else { return Ok(()) };
        let state = self.inner.snapshot(commit.room, None).await?.state;
        // Time for others to do the same.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let is_full = state.message_count >= limits.messages || state.head.seq.0 >= limits.events;
        if is_full { Err(StoreError::Full) } else { Ok(()) }
    }

    fn shown(&self, mut state: RoomState) -> RoomState {
        if let Some(end) = self.ends.lock().expect("no panic").get(&state.room.id) {
            state.room.expires_at = *end;
        }
        state
    }
}

/// Hands the announcements of the store within on, as the fault has it.
async fn forward(mut feed: Feed, fault: Fault, out: broadcast::Sender<FeedItem>, trouble: Arc<Trouble>) {
    let send = |announcement| drop(out.send(announcement));
    while let Some(announcement) = feed.next().await {
        if trouble.is_cut.load(Ordering::SeqCst) {
            while let Ok(Some(_)) = tokio::time::timeout(QUIET, feed.next()).await {}
            trouble.is_cut.store(false, Ordering::SeqCst);
            if fault != Fault::NoResync {
                send(FeedItem::Resync);
            }
            continue;
        }
        match (fault, announcement) {
            (Fault::LagIgnored, first) => {
                let mut waiting = vec![first];
                while let Ok(Some(next)) = tokio::time::timeout(QUIET, feed.next()).await {
                    if waiting.len() < ROOM_IN_THE_FEED {
                        waiting.push(next);
                    }
                }
                waiting.into_iter().for_each(send);
            }
            (Fault::SharedSeq, FeedItem::Event(event)) => {
                send(FeedItem::Event(Arc::new(renumbered(Event::clone(&event)))));
            }
            (_, announcement) => send(announcement),
        }
    }
}

/// The same change of a room that takes anything.
fn without_limits(commit: &mut Commit) {
    if let Change::Send { limits, .. } | Change::Edit { limits, .. } = &mut commit.change {
        *limits = RoomLimits { messages: u64::MAX, events: u64::MAX, edits: u64::MAX };
    }
}

/// The event under the number that a store without clause 2 gives it.
fn renumbered(mut event: Event) -> Event {
    if event.position.seq > SHARED {
        event.position.seq.0 -= 1;
    }
    event
}

#[async_trait]
impl FailureCounters for FaultyStore {
    async fn record_failure(&self, subject: Subject, policy: LockoutPolicy) -> Result<FailureOutcome, StoreError> {
        let outcome = self.inner.record_failure(subject, policy).await?;
        if let (Fault::FailuresIgnored, FailureOutcome::Counted(record)) = (self.fault, outcome) {
            self.inner.undo_failure(subject, record).await?;
        }
        Ok(outcome)
    }

    async fn undo_failure(&self, subject: Subject, record: FailureRecord) -> Result<(), StoreError> {
        self.inner.undo_failure(subject, record).await
    }
}

#[async_trait]
impl Store for FaultyStore {
    async fn create_room(&self, id: RoomId, code: &RoomCode, ttl: Duration) -> Result<RoomState, StoreError> {
        if self.fault != Fault::ExpiryIgnored {
            return self.inner.create_room(id, code, ttl).await;
        }
        let state = self.inner.create_room(id, code, DAY).await?;
        self.ends.lock().expect("no panic").insert(id, state.room.created_at.plus(ttl));
        Ok(self.shown(state))
    }

    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError> {
        let Snapshot { state, messages } = self.inner.snapshot(room, window).await?;
        Ok(Snapshot { state: self.shown(state), messages })
    }

    async fn users(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError> {
        let answer = self.inner.users(room, window).await;
        match self.written.lock().expect("no panic").get(&room) {
            Some(written) if answer.is_err() && self.fault == Fault::SideKeysStay => {
                let users: Vec<_> = written.iter().map(|event| event.message.author.clone()).collect();
                Ok(UserPage { total: users.len() as u64, users })
            }
            _ => answer,
        }
    }

    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError> {
        let mut active = self.inner.active_rooms(after, limit).await?;
        active.rooms = active.rooms.into_iter().map(|state| self.shown(state)).collect();
        Ok(active)
    }

    async fn authenticate(&self, mut admission: Admission) -> Result<Admitted, StoreError> {
        let (user, token) = (admission.user.clone(), admission.next_token);
        // A user that was withdrawn wrongly is there within, so what becomes of its id happens under another one.
        if self.withdrawn.lock().expect("no panic").contains(&user) {
            admission.user = UserId::from_stored(format!("{} once more", user.as_str()));
        }
        let admitted = self.inner.authenticate(admission).await?;
        let own = |found: User| User { id: user.clone(), ..found };
        Ok(match admitted {
            Admitted::Created(found) => {
                self.created.lock().expect("no panic").insert(user.clone(), token);
                Admitted::Created(own(found))
            }
            Admitted::Rotated(found) => Admitted::Rotated(own(found)),
            Admitted::Repeated(found, sealed) => Admitted::Repeated(own(found), sealed),
            refused => refused,
        })
    }

    async fn send(&self, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
        if !matches!(self.fault, Fault::OthersWithdrawn | Fault::StopsHalfWay) {
            return self.inner.send(admission, message).await;
        }
        let token = admission.next_token;
        let admitted = self.authenticate(admission).await?;
        let Some(author) = admitted.user().cloned() else { return Ok(Sent { admitted, committed: None }) };
        tokio::time::sleep(BETWEEN_STEPS).await;
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
        if self.fault != Fault::OthersWithdrawn {
            return self.inner.forget_new_user(user, token).await;
        }
        if self.created.lock().expect("no panic").get(user) == Some(&token) {
            self.withdrawn.lock().expect("no panic").insert(user.clone());
        }
        Ok(())
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        let mut commit = commit;
        if self.fault == Fault::LimitsNotAtomic {
            self.check_limits(&commit).await?;
            without_limits(&mut commit);
        }
        let committed = self.inner.commit(commit).await?;
        if let Committed::New(event) = &committed {
            self.written.lock().expect("no panic").entry(event.room()).or_default().push(event.clone());
        }
        Ok(match committed {
            Committed::New(event) if self.fault == Fault::SharedSeq => Committed::New(renumbered(event)),
            committed => committed,
        })
    }

    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError> {
        if self.trouble.is_down.load(Ordering::SeqCst) {
            self.trouble.readings_refused.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::Unavailable("down for a while".into()));
        }
        if self.trouble.has_lost_its_log.load(Ordering::SeqCst) {
            return Err(StoreError::ForeignPosition);
        }
        let mut answer = self.inner.read_log(room, after, limit).await;
        match self.fault {
            Fault::SideKeysStay if answer.is_err() => match self.written.lock().expect("no panic").get(&room) {
                Some(written) => Ok(written.iter().filter(|event| event.position.seq > after.seq).cloned().collect()),
                None => answer,
            },
            Fault::SharedSeq => {
                if answer.is_err() && after.seq >= SHARED {
                    answer = self.inner.read_log(room, Position { seq: after.seq.next(), ..after }, limit).await;
                }
                answer.map(|events| events.into_iter().map(renumbered).collect())
            }
            _ => answer,
        }
    }

    fn feed(&self) -> Feed {
        Feed::new(&self.announcements)
    }

    fn subscribe(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        self.inner.subscribe(room)
    }

    fn unsubscribe(&self, room: RoomId) {
        self.inner.unsubscribe(room);
    }

    async fn report_viewers(&self, counts: &[(RoomId, u32)]) -> Result<(), StoreError> {
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
