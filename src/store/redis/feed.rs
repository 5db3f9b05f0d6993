//! The way of announcements from Redis: one pub/sub connection per process, and the task that keeps it. What a room's
//! readers make of them is the hub's business.
//!
//! The task is level-triggered: rooms are wished for or not, and whenever that changed it makes the subscriptions
//! follow, on whatever connection there is. The driver of the connection puts announcements straight into a bounded
//! broadcast.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join_all};
use rand::RngExt as _;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, PushInfo, PushKind, RedisError, Value};
use tokio::sync::{Notify, broadcast, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::connection::Late;
use super::keys::{EVENTS, Keys};
use super::primary::{NotPrimary, Primary};
use super::record::{Unreadable, read_event};
use super::settings::Settings;
use crate::domain::event::Event;
use crate::domain::room::RoomId;
use crate::store::{Announcement, Feed, StoreError};
use crate::vital::Vital;

/// Announcements a feed may lag behind before it must resync.
const BACKLOG: usize = 4096;
/// Subscriptions asked for at a time.
const AT_A_TIME: usize = 64;
const PING_EVERY: Duration = Duration::from_secs(2);
const PONG_WITHIN: Duration = Duration::from_secs(1);
/// How long the sentinels have to say where the primary is.
const FOUND_WITHIN: Duration = Duration::from_secs(2);
const RECONNECT_AFTER: Duration = Duration::from_millis(50);
const RECONNECT_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// The announcements of the rooms that are watched here. Ends its task when it is dropped.
pub struct Announcements {
    sender: broadcast::Sender<Announcement>,
    wishes: Arc<Wishes>,
    timeout: Duration,
    stop: CancellationToken,
    tasks: TaskTracker,
    vital: Vital,
}

impl Announcements {
    /// Starts the task. Must be called within a runtime.
    pub fn start(settings: &Settings, primary: Arc<Primary>, keys: Keys) -> Self {
        let (sender, _) = broadcast::channel(BACKLOG);
        let (wishes, stop, tasks) = (Arc::<Wishes>::default(), CancellationToken::new(), TaskTracker::new());
        let voice = Voice { sender: sender.clone(), keys: keys.clone(), complained: AtomicBool::new(false) };
        let listener = Listener {
            primary,
            config: settings.single(),
            keys,
            voice: Arc::new(voice),
            wishes: wishes.clone(),
            missed: false,
            reason: None,
            delay: RECONNECT_AFTER,
        };
        let (stopped, vital) = (stop.clone(), Vital::default());
        let listen = async move {
            stopped.run_until_cancelled(listener.run()).await;
        };
        tasks.spawn(vital.clone().task(listen));
        Self { sender, wishes, timeout: settings.timeout(), stop, tasks, vital }
    }

    /// A feed from now on.
    pub fn feed(&self) -> Feed {
        Feed::of(&self.sender)
    }

    /// See [`Store::watch`](crate::store::Store::watch).
    pub fn watch(&self, room: RoomId) -> BoxFuture<'static, Result<(), StoreError>> {
        let (active, deadline) = (self.wishes.add(room), self.timeout);
        Box::pin(async move {
            let Some(active) = active else { return Ok(()) };
            match timeout(deadline, active).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(taken_back)) => Err(StoreError::Unavailable(Box::new(taken_back))),
                Err(_) => Err(StoreError::Unavailable(Box::new(Late(deadline)))),
            }
        })
    }

    /// See [`Store::unwatch`](crate::store::Store::unwatch).
    pub fn unwatch(&self, room: RoomId) {
        self.wishes.remove(room);
    }

    /// The task.
    pub const fn vital(&self) -> &Vital {
        &self.vital
    }

    /// Ends the task and waits until it has ended.
    pub async fn close(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Announcements {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Which rooms are wished for, shared by those who wish and the task.
#[derive(Default)]
struct Wishes {
    state: Mutex<WishState>,
    changed: Notify,
}

#[derive(Default)]
struct WishState {
    rooms: HashMap<RoomId, Wish>,
    /// Rooms to look at again. Empty while there is no connection: the next one looks at all of them.
    changed: HashSet<RoomId>,
    connected: bool,
}

#[derive(Default)]
struct Wish {
    active: bool,
    waiting: Vec<oneshot::Sender<()>>,
    /// Whether somebody stopped waiting, and so believes that this is not fulfilled.
    given_up: bool,
}

impl WishState {
    fn note(&mut self, room: RoomId) {
        if self.connected {
            self.changed.insert(room);
        }
    }
}

impl Wishes {
    fn lock(&self) -> MutexGuard<'_, WishState> {
        self.state.lock().expect("nothing panics while it holds the wishes")
    }

    /// Adds a wish; `None` when it is fulfilled already.
    fn add(&self, room: RoomId) -> Option<oneshot::Receiver<()>> {
        let mut state = self.lock();
        let wish = state.rooms.entry(room).or_default();
        if wish.active {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        wish.given_up |= wish.waiting.iter().any(oneshot::Sender::is_closed);
        wish.waiting.retain(|waiting| !waiting.is_closed());
        wish.waiting.push(sender);
        state.note(room);
        drop(state);
        self.changed.notify_one();
        Some(receiver)
    }

    fn remove(&self, room: RoomId) {
        let mut state = self.lock();
        state.rooms.remove(&room);
        state.note(room);
        drop(state);
        self.changed.notify_one();
    }

    /// There is a new connection, without any subscription.
    fn connected(&self) {
        let mut state = self.lock();
        state.connected = true;
        state.changed = state.rooms.keys().copied().collect();
    }

    fn disconnected(&self) {
        let mut state = self.lock();
        state.connected = false;
        state.changed = HashSet::new();
        state.rooms.values_mut().for_each(|wish| wish.active = false);
    }

    /// Takes the changes since the last call: rooms that are wished for, and rooms that are not; `None` without any.
    fn take_changes(&self) -> Option<(Vec<RoomId>, Vec<RoomId>)> {
        let mut state = self.lock();
        let changed = std::mem::take(&mut state.changed);
        (!changed.is_empty()).then(|| changed.into_iter().partition(|room| state.rooms.contains_key(room)))
    }

    /// Fulfils wishes. Answers whether somebody had given up waiting for one.
    fn fulfil(&self, rooms: &[RoomId]) -> bool {
        let mut state = self.lock();
        let mut given_up = false;
        for room in rooms {
            if let Some(wish) = state.rooms.get_mut(room) {
                wish.active = true;
                given_up |= std::mem::take(&mut wish.given_up);
                for waiting in wish.waiting.drain(..) {
                    given_up |= waiting.send(()).is_err();
                }
            }
        }
        given_up
    }
}

/// Turns what Redis pushes into announcements.
struct Voice {
    sender: broadcast::Sender<Announcement>,
    keys: Keys,
    complained: AtomicBool,
}

impl Voice {
    fn say(&self, announcement: Announcement) {
        // Without a feed there is nobody to tell, which is fine.
        let _ = self.sender.send(announcement);
    }

    fn pass_on(&self, push: &PushInfo) {
        match self.read(&push.data) {
            Ok(event) => self.say(Announcement::Event(Arc::new(event))),
            Err(unreadable) => {
                if !self.complained.swap(true, Ordering::Relaxed) {
                    error!(error = %unreadable, "an announcement makes no sense; not saying this again");
                }
                self.say(Announcement::Resync);
            }
        }
    }

    fn read(&self, data: &[Value]) -> Result<Event, Unreadable> {
        let [Value::BulkString(channel), Value::BulkString(event)] = data else { return Err(Unreadable::PUSH) };
        let channel = str::from_utf8(channel).map_err(|_| Unreadable::PUSH)?;
        let room = self.keys.room_of_events(channel).ok_or(Unreadable::PUSH)?;
        read_event(room, str::from_utf8(event).map_err(|_| Unreadable::PUSH)?)
    }
}

/// Why a connection was given up.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error(transparent)]
    NotPrimary(#[from] NotPrimary),
    #[error("another Redis is the primary now")]
    Moved,
    #[error(transparent)]
    Silent(#[from] tokio::time::error::Elapsed),
    #[error("the connection was closed")]
    Closed,
}

/// The task.
struct Listener {
    primary: Arc<Primary>,
    config: AsyncConnectionConfig,
    keys: Keys,
    voice: Arc<Voice>,
    wishes: Arc<Wishes>,
    /// Whether announcements may have been lost since the last `Resync`.
    missed: bool,
    /// Why there is no connection, as last said in the log.
    reason: Option<String>,
    delay: Duration,
}

impl Listener {
    async fn run(mut self) {
        loop {
            let Err(lost) = self.listen().await;
            self.wishes.disconnected();
            self.missed = true;
            let reason = lost.to_string();
            if self.reason.as_ref() != Some(&reason) {
                warn!(error = %reason, "no connection for announcements");
                self.reason = Some(reason);
            }
            let jitter = rand::rng().random_range(0.5..=1.0);
            sleep(self.delay.mul_f64(jitter)).await;
            self.delay = (self.delay * 2).min(RECONNECT_AT_LEAST_EVERY);
        }
    }

    /// Listens on one connection until it is lost.
    async fn listen(&mut self) -> Result<std::convert::Infallible, Lost> {
        let ear = Ear::new(&self.voice, !self.missed);
        let config = self.config.clone().set_push_sender(ear.hearing());
        let turn = self.primary.turn();
        let client = timeout(FOUND_WITHIN, self.primary.client()).await??;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        timeout(PONG_WITHIN, self.primary.confirm(turn, &connection)).await??;
        self.wishes.connected();
        let mut watchdog = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let primary = Arc::clone(&self.primary);
        let mut over = pin!(primary.is_over(turn));
        loop {
            self.missed |= self.follow_wishes(&connection).await?;
            if std::mem::take(&mut self.missed) {
                info!("readers resync: announcements may have been lost");
                ear.resync();
            }
            self.reason = None;
            self.delay = RECONNECT_AFTER;
            tokio::select! {
                () = self.wishes.changed.notified() => {}
                () = ear.closed.notified() => return Err(Lost::Closed),
                () = &mut over => return Err(Lost::Moved),
                _ = watchdog.tick() => {
                    timeout(PONG_WITHIN, self.primary.confirm(turn, &connection)).await??;
                }
            }
        }
    }

    /// Makes the subscriptions of this connection those that are wished for. One channel per command, so that in a
    /// cluster no command spans slots. Both commands may be repeated without harm, so nothing is remembered about what
    /// was subscribed before. Answers whether a wish was fulfilled too late.
    async fn follow_wishes(&self, connection: &MultiplexedConnection) -> Result<bool, RedisError> {
        let mut late = false;
        while let Some((wished, unwished)) = self.wishes.take_changes() {
            for rooms in unwished.chunks(AT_A_TIME) {
                try_join_all(rooms.iter().map(|room| {
                    let (channel, mut connection) = (self.keys.of_room(*room, EVENTS), connection.clone());
                    async move { connection.unsubscribe(channel).await }
                }))
                .await?;
            }
            for rooms in wished.chunks(AT_A_TIME) {
                try_join_all(rooms.iter().map(|room| {
                    let (channel, mut connection) = (self.keys.of_room(*room, EVENTS), connection.clone());
                    async move { connection.subscribe(channel).await }
                }))
                .await?;
                late |= self.wishes.fulfil(rooms);
            }
        }
        Ok(late)
    }
}

/// Hears what one connection pushes, as long as that is the connection we listen to.
struct Ear {
    voice: Arc<Voice>,
    closed: Arc<Notify>,
    /// After a loss it is opened by the `Resync`. Before that, an event may follow in number on one that a failover lost,
    /// and a reader who still stands there would take it for the next.
    open: Arc<Mutex<bool>>,
}

impl Ear {
    fn new(voice: &Arc<Voice>, open: bool) -> Self {
        Self { voice: voice.clone(), closed: Arc::default(), open: Arc::new(Mutex::new(open)) }
    }

    /// What the driver of the connection calls with every push. Never waits for long.
    fn hearing(&self) -> impl Fn(PushInfo) -> Result<(), std::convert::Infallible> + Send + Sync + 'static {
        let (voice, closed, open) = (self.voice.clone(), self.closed.clone(), self.open.clone());
        move |push| {
            match push.kind {
                PushKind::Message => {
                    let open = lock(&open);
                    if *open {
                        voice.pass_on(&push);
                    }
                }
                PushKind::Disconnection => closed.notify_one(),
                _ => {}
            }
            Ok(())
        }
    }

    /// Has every reader read its log again, and passes on what is pushed from then on.
    fn resync(&self) {
        let mut open = lock(&self.open);
        self.voice.say(Announcement::Resync);
        *open = true;
    }
}

/// A connection that was given up may still deliver; on the next one that would come twice and out of order.
impl Drop for Ear {
    fn drop(&mut self) {
        *lock(&self.open) = false;
    }
}

fn lock(open: &Mutex<bool>) -> MutexGuard<'_, bool> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_is_fulfilled_late_when_anybody_gave_up_on_it_even_if_others_wait() {
        let (wishes, room) = (Wishes::default(), RoomId::random());
        drop(wishes.add(room));
        let mut patient = wishes.add(room).expect("not fulfilled yet");
        assert!(wishes.fulfil(&[room]));
        assert_eq!(patient.try_recv(), Ok(()));
        assert!(wishes.add(room).is_none(), "fulfilled, so there is nothing to wait for");
        assert!(!wishes.fulfil(&[room]), "said once is enough");
    }

    #[test]
    fn a_wish_taken_back_and_made_again_is_looked_at_again() {
        let (wishes, room) = (Wishes::default(), RoomId::random());
        let first = wishes.add(room);
        wishes.connected();
        assert_eq!(wishes.take_changes(), Some((vec![room], vec![])));
        wishes.remove(room);
        assert_eq!(wishes.take_changes(), Some((vec![], vec![room])));
        assert!(!wishes.fulfil(&[room]), "nobody wishes for it");
        let _again = wishes.add(room);
        assert_eq!(wishes.take_changes(), Some((vec![room], vec![])));
        assert_eq!(wishes.take_changes(), None);
        drop(first);
    }

    #[test]
    fn nothing_piles_up_while_there_is_no_connection() {
        let wishes = Wishes::default();
        for room in std::iter::repeat_with(RoomId::random).take(100) {
            drop(wishes.add(room));
            wishes.remove(room);
        }
        let state = wishes.lock();
        assert!(state.rooms.is_empty() && state.changed.is_empty());
    }

    #[test]
    fn nothing_is_passed_on_after_a_loss_before_readers_are_told_to_read_their_logs() {
        let (sender, mut said) = broadcast::channel(8);
        let keys = Keys::new("test".into());
        let channel = keys.of_room(RoomId::random(), EVENTS);
        let voice = Arc::new(Voice { sender, keys, complained: AtomicBool::new(false) });
        let ear = Ear::new(&voice, false);
        let hear = ear.hearing();
        let event = "sent:11:00000000000000aa:7:0\n11:7::\n{\"id\":\"ada\",\"name\":\"Ada\"}\nhello";
        let push = || {
            let data = [&*channel, event].map(|text| Value::BulkString(text.into()));
            let Ok(()) = hear(PushInfo { kind: PushKind::Message, data: data.into() });
        };
        push();
        ear.resync();
        push();
        assert!(matches!(said.try_recv(), Ok(Announcement::Resync)));
        assert!(matches!(said.try_recv(), Ok(Announcement::Event(_))));
        drop(ear);
        push();
        assert!(said.try_recv().is_err());
    }
}
