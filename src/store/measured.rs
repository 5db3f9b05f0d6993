//! A store around a store, which tells how long each call took and how it failed, and is a span of its own in a trace.
//!
//! What a use case expects to be told ([`StoreError::NotFound`] and the like) is an answer and no error here.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tracing::Instrument as _;

use crate::domain::event::{Event, Position};
use crate::domain::page::Window;
use crate::domain::room::{RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{TokenHash, UserId};
use crate::metrics::{Counters, Histograms, Metrics, duration_histogram};
use crate::store::{
    ActiveRooms, Admission, Admitted, AttemptLimits, AttemptingClient, CodeAttempt, Commit, Committed, FailureCounters,
    FailureOutcome, FailureRecord, Feed, LockoutPolicy, RoomState, Sending, Sent, Snapshot, Store, StoreError, Subject,
    UserPage,
};

/// Every call that is measured.
const CALLS: [&str; 16] = [
    "create_room",
    "snapshot",
    "chatters",
    "active_rooms",
    "admit",
    "withdraw",
    "commit",
    "send",
    "read_log",
    "watch",
    "report_viewers",
    "viewers_elsewhere",
    "record_failure",
    "undo_failure",
    "begin_code_attempt",
    "trust_client",
];

/// The call that only asks whether the store is there.
const PING: &str = "ping";

/// Measures a store.
pub struct MeasuredStore {
    store: Arc<dyn Store>,
    numbers: Numbers,
}

#[derive(Clone)]
struct Numbers {
    seconds: Histograms<1>,
    errors: Counters<2>,
}

impl MeasuredStore {
    pub fn around(store: Arc<dyn Store>, metrics: &Metrics) -> Self {
        let seconds = Histograms::new_with_constructor(duration_histogram as fn() -> _);
        let numbers = Numbers { seconds, errors: Counters::default() };
        for call in CALLS.into_iter().chain([PING]) {
            let _ = numbers.seconds.get_or_create(&[("call", call)]);
            for error in Failure::ALL {
                let _ = numbers.errors.get_or_create(&labels(call, error));
            }
        }
        let help = "How long calls of the store took, those that failed included";
        metrics.register("livechat_store_call_duration_seconds", help, numbers.seconds.clone());
        let help = "Calls of the store that failed, or that nobody waited for any longer";
        metrics.register("livechat_store_errors", help, numbers.errors.clone());
        Self { store, numbers }
    }

    async fn measure<T>(
        &self,
        call: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.numbers.clone().measure(call, work).await
    }
}

impl Numbers {
    async fn measure<T>(
        self,
        call: &'static str,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let mut under_way = UnderWay { numbers: self, call, begun: Instant::now(), failure: Some(Failure::Abandoned) };
        let outcome = work.instrument(tracing::debug_span!("store", otel.name = call)).await;
        under_way.failure = outcome.as_ref().err().and_then(Failure::of);
        outcome
    }
}

/// A call that is told of when it ends, also if it ends because nobody waits for it any longer.
struct UnderWay {
    numbers: Numbers,
    call: &'static str,
    begun: Instant,
    failure: Option<Failure>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let took = self.begun.elapsed().as_secs_f64();
        self.numbers.seconds.get_or_create(&[("call", self.call)]).observe(took);
        if let Some(failure) = self.failure {
            self.numbers.errors.get_or_create(&labels(self.call, failure)).inc();
        }
    }
}

/// How a call can fail.
#[derive(Clone, Copy)]
enum Failure {
    Unavailable,
    Corrupt,
    /// Whoever asked has given up, or is gone.
    Abandoned,
}

impl Failure {
    const ALL: [Self; 3] = [Self::Unavailable, Self::Corrupt, Self::Abandoned];

    fn of(error: &StoreError) -> Option<Self> {
        match error {
            StoreError::Unavailable(_) => Some(Self::Unavailable),
            StoreError::Corrupt(_) => Some(Self::Corrupt),
            StoreError::NotFound
            | StoreError::Conflict
            | StoreError::Full
            | StoreError::EditLimit
            | StoreError::ForeignPosition => None,
        }
    }
}

fn labels(call: &'static str, failure: Failure) -> crate::metrics::Labels<2> {
    let error = match failure {
        Failure::Unavailable => "unavailable",
        Failure::Corrupt => "corrupt",
        Failure::Abandoned => "abandoned",
    };
    [("call", call), ("error", error)]
}

impl fmt::Debug for MeasuredStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MeasuredStore")
    }
}

#[async_trait]
impl Store for MeasuredStore {
    async fn create_room(&self, id: RoomId, code: &RoomCode, ttl: Duration) -> Result<RoomState, StoreError> {
        self.measure("create_room", self.store.create_room(id, code, ttl)).await
    }

    async fn snapshot(&self, room: RoomId, window: Option<Window>) -> Result<Snapshot, StoreError> {
        self.measure("snapshot", self.store.snapshot(room, window)).await
    }

    async fn chatters(&self, room: RoomId, window: Window) -> Result<UserPage, StoreError> {
        self.measure("chatters", self.store.chatters(room, window)).await
    }

    async fn active_rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<ActiveRooms, StoreError> {
        self.measure("active_rooms", self.store.active_rooms(after, limit)).await
    }

    async fn authenticate(&self, admission: Admission) -> Result<Admitted, StoreError> {
        self.measure("admit", self.store.authenticate(admission)).await
    }

    async fn forget_new_user(&self, user: &UserId, token: TokenHash) -> Result<(), StoreError> {
        self.measure("withdraw", self.store.forget_new_user(user, token)).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        self.measure("commit", self.store.commit(commit)).await
    }

    async fn send(&self, admission: Admission, sending: Sending) -> Result<Sent, StoreError> {
        self.measure("send", self.store.send(admission, sending)).await
    }

    async fn read_log(&self, room: RoomId, after: Position, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.measure("read_log", self.store.read_log(room, after, limit)).await
    }

    fn feed(&self) -> Feed {
        self.store.feed()
    }

    fn subscribe(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        // The wish counts from the call on, so it is made here and now.
        Box::pin(self.numbers.clone().measure("watch", self.store.subscribe(room)))
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
        self.measure(PING, self.store.ping()).await
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
