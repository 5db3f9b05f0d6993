//! A wrapper that measures a [`Store`]: the duration and the failures of each call, and one trace span per call.
//!
//! Errors that a use case expects, such as [`StoreError::NotFound`], do not count as failures.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tracing::Instrument as _;

use crate::domain::event::Event;
use crate::domain::page::Window;
use crate::domain::position::Position;
use crate::domain::presence::Typing;
use crate::domain::reaction::Emoji;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::TokenHash;
use crate::domain::user::UserId;
use crate::metrics::{Counters, Histograms, Metrics, duration_histogram};
use crate::store::{
    ActiveRooms, Actor, AddressHash, Admission, Admitted, AttemptLimits, AttemptingClient, BanPage, CodeAttempt,
    Commit, Committed, FailureCounters, FailureOutcome, FailureRecord, Feed, LockoutPolicy, Member, NewMessage,
    NewRoom, PresenceReport, PresentUsers, Reacted, Reaction, RoomState, Sent, Snapshot, Store, StoreError, Subject,
    UserPage,
};

/// The `call` label of every measured operation.
const CALLS: [&str; 27] = [
    "create_room",
    "end_room",
    "bans",
    "member",
    "join",
    "reactions_by",
    "react",
    "log_reactions",
    "announce_typing",
    "report_presence",
    "present_elsewhere",
    "snapshot",
    "users",
    "active_rooms",
    "authenticate",
    "forget_new_user",
    "commit",
    "send",
    "read_log",
    "subscribe",
    "report_viewers",
    "viewers_elsewhere",
    "record_failure",
    "undo_failure",
    "begin_code_attempt",
    "trust_client",
    "ping",
];

/// The `error` label of a call that failed, or whose caller stopped waiting.
const UNAVAILABLE: &str = "unavailable";
const CORRUPT: &str = "corrupt";
const ABANDONED: &str = "abandoned";

/// Measures the calls of a store.
pub struct MeasuredStore {
    store: Arc<dyn Store>,
    metrics: StoreMetrics,
}

#[derive(Clone)]
struct StoreMetrics {
    seconds: Histograms<1>,
    errors: Counters<2>,
}

impl MeasuredStore {
    /// Wraps `store` and registers its metrics.
    pub fn new(store: Arc<dyn Store>, registry: &Metrics) -> Self {
        let seconds = Histograms::new_with_constructor(duration_histogram as fn() -> _);
        let metrics = StoreMetrics { seconds, errors: Counters::default() };
        for call in CALLS {
            let _ = metrics.seconds.get_or_create(&[("call", call)]);
            for error in [UNAVAILABLE, CORRUPT, ABANDONED] {
                let _ = metrics.errors.get_or_create(&[("call", call), ("error", error)]);
            }
        }
        let help = "Duration of store calls, including failed ones";
        registry.register("livechat_store_call_duration_seconds", help, metrics.seconds.clone());
        let help = "Store calls that failed, or whose caller stopped waiting";
        registry.register("livechat_store_errors", help, metrics.errors.clone());
        Self { store, metrics }
    }

    async fn measure<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        measure(self.metrics.clone(), call, work).await
    }
}

async fn measure<T>(
    metrics: StoreMetrics,
    call: &'static str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let mut timer = CallTimer { metrics, call, started: Instant::now(), error: Some(ABANDONED) };
    let outcome = work.instrument(tracing::debug_span!("store", otel.name = call)).await;
    timer.error = match &outcome {
        Err(StoreError::Unavailable(_)) => Some(UNAVAILABLE),
        Err(StoreError::Corrupt(_)) => Some(CORRUPT),
        _ => None,
    };
    outcome
}

/// Records a call when dropped, even if its caller stops waiting.
struct CallTimer {
    metrics: StoreMetrics,
    call: &'static str,
    started: Instant,
    error: Option<&'static str>,
}

impl Drop for CallTimer {
    fn drop(&mut self) {
        let elapsed = self.started.elapsed().as_secs_f64();
        self.metrics.seconds.get_or_create(&[("call", self.call)]).observe(elapsed);
        if let Some(error) = self.error {
            self.metrics.errors.get_or_create(&[("call", self.call), ("error", error)]).inc();
        }
    }
}

#[deny(clippy::missing_trait_methods, reason = "a default body would bypass the wrapped store and its metrics")]
#[async_trait]
impl Store for MeasuredStore {
    async fn create_room(&self, room: NewRoom) -> Result<RoomState, StoreError> {
        self.measure("create_room", self.store.create_room(room)).await
    }

    async fn end_room(&self, room: RoomId) -> Result<(), StoreError> {
        self.measure("end_room", self.store.end_room(room)).await
    }

    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError> {
        self.measure("snapshot", self.store.snapshot(room, window)).await
    }

    async fn users(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError> {
        self.measure("users", self.store.users(room, window)).await
    }

    async fn bans(&self, room: RoomId, after: Option<u64>, limit: u32) -> Result<BanPage, StoreError> {
        self.measure("bans", self.store.bans(room, after, limit)).await
    }

    async fn member(
        &self,
        room: RoomId,
        user: &UserId,
        address: Option<AddressHash>,
    ) -> Result<Option<Member>, StoreError> {
        self.measure("member", self.store.member(room, user, address)).await
    }

    async fn join(&self, room: RoomId, actor: Actor) -> Result<Member, StoreError> {
        self.measure("join", self.store.join(room, actor)).await
    }

    async fn reactions_by(&self, room: RoomId, user: &UserId, messages: &[u64]) -> Result<Vec<Vec<Emoji>>, StoreError> {
        self.measure("reactions_by", self.store.reactions_by(room, user, messages)).await
    }

    async fn react(&self, reaction: Reaction) -> Result<Reacted, StoreError> {
        self.measure("react", self.store.react(reaction)).await
    }

    async fn log_reactions(&self, room: RoomId) -> Result<Option<Duration>, StoreError> {
        self.measure("log_reactions", self.store.log_reactions(room)).await
    }

    async fn announce_typing(&self, room: RoomId, typing: Typing) -> Result<(), StoreError> {
        self.measure("announce_typing", self.store.announce_typing(room, typing)).await
    }

    async fn report_presence(&self, room: RoomId, report: PresenceReport) -> Result<bool, StoreError> {
        self.measure("report_presence", self.store.report_presence(room, report)).await
    }

    async fn present_elsewhere(&self, room: RoomId) -> Result<PresentUsers, StoreError> {
        self.measure("present_elsewhere", self.store.present_elsewhere(room)).await
    }

    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError> {
        self.measure("active_rooms", self.store.active_rooms(after, limit)).await
    }

    async fn authenticate(&self, admission: Admission) -> Result<Admitted, StoreError> {
        self.measure("authenticate", self.store.authenticate(admission)).await
    }

    async fn forget_new_user(&self, user: &UserId, token: TokenHash) -> Result<(), StoreError> {
        self.measure("forget_new_user", self.store.forget_new_user(user, token)).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        self.measure("commit", self.store.commit(commit)).await
    }

    async fn send(&self, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
        self.measure("send", self.store.send(admission, message)).await
    }

    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.measure("read_log", self.store.read_log(room, after, limit)).await
    }

    fn feed(&self) -> Feed {
        self.store.feed()
    }

    fn subscribe(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        // Calls the store here, not in the future: the subscription is requested by the call itself.
        Box::pin(measure(self.metrics.clone(), "subscribe", self.store.subscribe(room)))
    }

    fn unsubscribe(&self, room: RoomId) {
        self.store.unsubscribe(room);
    }

    async fn report_viewers(&self, counts: &[(RoomId, u32)]) -> Result<(), StoreError> {
        self.measure("report_viewers", self.store.report_viewers(counts)).await
    }

    async fn viewers_elsewhere(&self, rooms: &[RoomId]) -> Result<Vec<u32>, StoreError> {
        self.measure("viewers_elsewhere", self.store.viewers_elsewhere(rooms)).await
    }

    async fn begin_code_attempt(
        &self,
        room: RoomId,
        client: AttemptingClient,
        limits: Option<AttemptLimits>,
    ) -> Result<CodeAttempt, StoreError> {
        self.measure("begin_code_attempt", self.store.begin_code_attempt(room, client, limits)).await
    }

    async fn trust_client(&self, room: RoomId, client: AttemptingClient, counted: bool) -> Result<(), StoreError> {
        self.measure("trust_client", self.store.trust_client(room, client, counted)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.measure("ping", self.store.ping()).await
    }
}

#[async_trait]
impl FailureCounters for MeasuredStore {
    async fn record_failure(&self, subject: Subject, policy: LockoutPolicy) -> Result<FailureOutcome, StoreError> {
        self.measure("record_failure", self.store.record_failure(subject, policy)).await
    }

    async fn undo_failure(&self, subject: Subject, record: FailureRecord) -> Result<(), StoreError> {
        self.measure("undo_failure", self.store.undo_failure(subject, record)).await
    }
}
