//! Listens to the announcements of one server: keeps a connection, makes its subscriptions follow what is wished for there,
//! and says which rooms have to be read again after a loss.
//!
//! It is level-triggered: rooms are wished for or not, and whenever that changed it makes the subscriptions follow, on
//! whatever connection there is. The driver of the connection puts announcements straight into a bounded broadcast.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{join_all, pending};
use rand::RngExt as _;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, PushInfo, PushKind, RedisError, ServerErrorKind, Value};
use tokio::sync::{Notify, broadcast};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tracing::{error, info, warn};

use crate::domain::room::RoomId;
use crate::store::FeedItem;
use crate::store::redis::codec::{Unreadable, read_event};
use crate::store::redis::feed::subscriptions::Wishes;
use crate::store::redis::keys::{EVENTS, Keys};
use crate::store::redis::link::cluster::Doubts;
use crate::store::redis::link::primary::{NotPrimary, Primary};

/// Subscriptions asked for at a time.
const AT_A_TIME: usize = 64;
const PING_EVERY: Duration = Duration::from_secs(2);
const PONG_WITHIN: Duration = Duration::from_secs(1);
/// How long the sentinels have to say where the primary is.
const FOUND_WITHIN: Duration = Duration::from_secs(2);
const RECONNECT_AFTER: Duration = Duration::from_millis(50);
const RECONNECT_AT_LEAST_EVERY: Duration = Duration::from_secs(1);
/// When subscriptions are asked for again that a node of a cluster refused.
const REFUSED_FOR: Duration = Duration::from_millis(100);

/// How announcements are subscribed to: everywhere in a single Redis, and within the shard in a cluster.
#[derive(Clone, Copy)]
pub struct Dialect {
    subscribe: &'static str,
    unsubscribe: &'static str,
}

impl Dialect {
    pub const SINGLE: Self = Self { subscribe: "SUBSCRIBE", unsubscribe: "UNSUBSCRIBE" };
    pub const CLUSTER: Self = Self { subscribe: "SSUBSCRIBE", unsubscribe: "SUNSUBSCRIBE" };
}

/// Turns what Redis pushes into announcements.
pub struct Voice {
    sender: broadcast::Sender<FeedItem>,
    keys: Keys,
    complained: AtomicBool,
}

impl Voice {
    pub const fn new(sender: broadcast::Sender<FeedItem>, keys: Keys) -> Self {
        Self { sender, keys, complained: AtomicBool::new(false) }
    }

    fn say(&self, announcement: FeedItem) {
        // Without a feed there is nobody to tell, which is fine.
        let _ = self.sender.send(announcement);
    }

    fn pass_on(&self, room: RoomId, event: &[u8]) {
        let event = str::from_utf8(event).map_err(|_| Unreadable::PUSH).and_then(|event| read_event(room, event));
        match event {
            Ok(event) => self.say(FeedItem::Event(Arc::new(event))),
            Err(unreadable) => {
                self.complain(&unreadable);
                self.say(FeedItem::ResyncOf([room].into()));
            }
        }
    }

    fn complain(&self, unreadable: &Unreadable) {
        if !self.complained.swap(true, Ordering::Relaxed) {
            error!(error = %unreadable, "an announcement makes no sense; not saying this again");
        }
    }

    fn room_of(&self, channel: &Value) -> Option<RoomId> {
        let Value::BulkString(channel) = channel else { return None };
        self.keys.room_of_events(str::from_utf8(channel).ok()?)
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
    #[error("an answer was not to what was asked")]
    Confused,
}

/// Listens to one server.
pub struct Listener {
    primary: Arc<Primary>,
    config: AsyncConnectionConfig,
    dialect: Dialect,
    keys: Keys,
    voice: Arc<Voice>,
    wishes: Arc<Wishes>,
    /// Whom to tell that the cluster may have changed, if this is one.
    doubts: Option<Doubts>,
    /// Why there is no connection, as last said in the log.
    reason: Option<String>,
    delay: Duration,
}

impl Listener {
    pub fn new(
        primary: Arc<Primary>,
        config: AsyncConnectionConfig,
        keys: Keys,
        voice: Arc<Voice>,
        wishes: Arc<Wishes>,
        doubts: Option<Doubts>,
    ) -> Self {
        let dialect = if doubts.is_some() { Dialect::CLUSTER } else { Dialect::SINGLE };
        Self { primary, config, dialect, keys, voice, wishes, doubts, reason: None, delay: RECONNECT_AFTER }
    }

    /// Listens for ever.
    pub async fn run(mut self) {
        loop {
            let Err(lost) = self.listen().await;
            self.doubt();
            let reason = lost.to_string();
            if self.reason.as_ref() != Some(&reason) {
                warn!(error = %reason, server = %self.primary.address(), "no connection for announcements");
                self.reason = Some(reason);
            }
            let jitter = rand::rng().random_range(0.5..=1.0);
            sleep(self.delay.mul_f64(jitter)).await;
            self.delay = (self.delay * 2).min(RECONNECT_AT_LEAST_EVERY);
        }
    }

    fn doubt(&self) {
        if let Some(doubts) = &self.doubts {
            doubts.doubt();
        }
    }

    /// Listens on one connection until it is lost.
    async fn listen(&mut self) -> Result<std::convert::Infallible, Lost> {
        let ear = Ear::new(&self.voice, &self.wishes, self.doubts.clone());
        let config = self.config.clone().set_push_sender(ear.hearing());
        let turn = self.primary.turn();
        let client = timeout(FOUND_WITHIN, self.primary.client()).await??;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        timeout(PONG_WITHIN, self.primary.confirm(turn, &connection)).await??;
        self.wishes.connected(ear.connection);
        let mut watchdog = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let primary = Arc::clone(&self.primary);
        let mut over = pin!(primary.is_over(turn));
        loop {
            let refused = self.follow_wishes(&connection).await?;
            self.reason = None;
            self.delay = RECONNECT_AFTER;
            let ask_again = async { if refused.is_empty() { pending().await } else { sleep(REFUSED_FOR).await } };
            tokio::select! {
                () = self.wishes.changed.notified() => {}
                () = ask_again => {}
                () = ear.closed.notified() => return Err(Lost::Closed),
                () = &mut over => return Err(Lost::Moved),
                _ = watchdog.tick() => timeout(PONG_WITHIN, self.primary.confirm(turn, &connection)).await??,
            }
            self.wishes.put_off(&refused);
        }
    }

    /// Makes the subscriptions of this connection those that are wished for. One channel per command, so that in a
    /// cluster no command spans slots. Both commands may be repeated without harm, so nothing is remembered about what
    /// was subscribed before. Answers which rooms the server says are not its own.
    async fn follow_wishes(&self, connection: &MultiplexedConnection) -> Result<Vec<RoomId>, Lost> {
        let (mut refused, mut late) = (Vec::new(), 0);
        while let Some((wished, unwished)) = self.wishes.take_changes() {
            for rooms in unwished.chunks(AT_A_TIME) {
                self.ask(connection, self.dialect.unsubscribe, rooms).await?;
            }
            for rooms in wished.chunks(AT_A_TIME) {
                let (taken, others) = self.ask(connection, self.dialect.subscribe, rooms).await?;
                self.wishes.fulfil(&taken, |rooms| {
                    late += rooms.len();
                    self.voice.say(FeedItem::ResyncOf(rooms.into()));
                });
                refused.extend(others);
            }
        }
        if late > 0 {
            info!(rooms = late, "readers resync: announcements may have been lost");
        }
        if !refused.is_empty() {
            self.doubt();
        }
        Ok(refused)
    }

    /// Gives one command for the channel of each room. Answers for which it was followed, and for which the server says
    /// that they are not its own.
    async fn ask(
        &self,
        connection: &MultiplexedConnection,
        command: &str,
        rooms: &[RoomId],
    ) -> Result<(Vec<RoomId>, Vec<RoomId>), Lost> {
        let answers = rooms.iter().map(|room| {
            let (channel, mut connection) = (self.keys.of_room(*room, EVENTS), connection.clone());
            async move {
                let answer = redis::cmd(command).arg(&channel).query_async(&mut connection).await;
                confirmed(answer, command, &channel)
            }
        });
        let (mut followed, mut refused) = (Vec::new(), Vec::new());
        for (room, answer) in rooms.iter().zip(join_all(answers).await) {
            if answer? { followed.push(*room) } else { refused.push(*room) }
        }
        Ok((followed, refused))
    }
}

/// Whether this answer says that the command was followed for this channel, or that its slot is elsewhere. The driver gives
/// an answer to whoever has waited longest; a node that ends a subscription by itself, because a slot has moved, says so with
/// what looks like an answer. After that everybody has somebody else's.
fn confirmed(answer: Result<Value, RedisError>, command: &str, channel: &str) -> Result<bool, Lost> {
    use ServerErrorKind::{Ask, ClusterDown, Moved, TryAgain};
    match answer {
        Ok(Value::Push { kind, data }) => {
            let expected = match command {
                "SUBSCRIBE" => PushKind::Subscribe,
                "UNSUBSCRIBE" => PushKind::Unsubscribe,
                "SSUBSCRIBE" => PushKind::SSubscribe,
                _ => PushKind::SUnsubscribe,
            };
            let is_ours = matches!(&data[..], [Value::BulkString(of), ..] if of == channel.as_bytes());
            if kind == expected && is_ours { Ok(true) } else { Err(Lost::Confused) }
        }
        Ok(_) => Err(Lost::Confused),
        Err(error) if matches!(error.kind(), ErrorKind::Server(Moved | Ask | TryAgain | ClusterDown)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Hears what one connection pushes, as long as that is the connection we listen to.
struct Ear {
    voice: Arc<Voice>,
    wishes: Arc<Wishes>,
    connection: u64,
    doubts: Option<Doubts>,
    closed: Arc<Notify>,
}

impl Ear {
    fn new(voice: &Arc<Voice>, wishes: &Arc<Wishes>, doubts: Option<Doubts>) -> Self {
        let connection = wishes.next_connection();
        Self { voice: voice.clone(), wishes: wishes.clone(), connection, doubts, closed: Arc::default() }
    }

    /// What the driver of the connection calls with every push. Never waits for long.
    fn hearing(&self) -> impl Fn(PushInfo) -> Result<(), std::convert::Infallible> + Send + Sync + 'static {
        let (voice, wishes, closed) = (self.voice.clone(), self.wishes.clone(), self.closed.clone());
        let (connection, doubts) = (self.connection, self.doubts.clone());
        move |push| {
            match (&push.kind, &push.data[..]) {
                (PushKind::Message | PushKind::SMessage, [channel, Value::BulkString(event)]) => {
                    match voice.room_of(channel) {
                        Some(room) => wishes.hear(room, connection, || voice.pass_on(room, event)),
                        None => voice.complain(&Unreadable::PUSH),
                    }
                }
                (PushKind::Message | PushKind::SMessage, _) => voice.complain(&Unreadable::PUSH),
                (PushKind::SUnsubscribe, [channel, ..]) => {
                    if voice.room_of(channel).is_some_and(|room| wishes.ended(room, connection))
                        && let Some(doubts) = &doubts
                    {
                        doubts.doubt();
                    }
                }
                (PushKind::Disconnection, _) => closed.notify_one(),
                _ => {}
            }
            Ok(())
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.wishes.disconnected();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_passed_on_after_a_loss_before_readers_are_told_to_read_their_logs() {
        let (sender, mut said) = broadcast::channel(8);
        let (keys, room) = (Keys::new("test".into()), RoomId::random());
        let channel = keys.of_room(room, EVENTS);
        let (voice, wishes) = (Arc::new(Voice::new(sender, keys)), Arc::<Wishes>::default());
        let event = "sent:11:00000000000000aa:7:0\n11:7::\n{\"id\":\"ada\",\"name\":\"Ada\"}\nhello";
        let push = |hear: &dyn Fn(PushInfo) -> Result<(), std::convert::Infallible>| {
            let data = [&*channel, event].map(|text| Value::BulkString(text.into()));
            let Ok(()) = hear(PushInfo { kind: PushKind::Message, data: data.into() });
        };
        let _waiting = wishes.add(room);
        let first = Ear::new(&voice, &wishes, None);
        wishes.connected(first.connection);
        let before = first.hearing();
        wishes.fulfil(&[room], |_| panic!("nothing was lost yet"));
        push(&before);
        assert!(matches!(said.try_recv(), Ok(FeedItem::Event(_))));
        drop(first);
        let second = Ear::new(&voice, &wishes, None);
        wishes.connected(second.connection);
        push(&before);
        push(&second.hearing());
        wishes.fulfil(&[room], |late| voice.say(FeedItem::ResyncOf(late.into())));
        push(&before);
        push(&second.hearing());
        assert!(matches!(said.try_recv(), Ok(FeedItem::ResyncOf(rooms)) if *rooms == [room]));
        assert!(matches!(said.try_recv(), Ok(FeedItem::Event(_))));
        assert!(said.try_recv().is_err());
    }

    #[test]
    fn an_answer_to_something_else_is_noticed() {
        let push = |kind, channel: &str| Ok(Value::Push { kind, data: vec![Value::BulkString(channel.into())] });
        assert!(matches!(confirmed(push(PushKind::SSubscribe, "a"), "SSUBSCRIBE", "a"), Ok(true)));
        for (kind, channel) in [(PushKind::SSubscribe, "b"), (PushKind::SUnsubscribe, "a")] {
            assert!(matches!(confirmed(push(kind, channel), "SSUBSCRIBE", "a"), Err(Lost::Confused)));
        }
        let moved = RedisError::from((ErrorKind::Server(ServerErrorKind::Moved), ""));
        assert!(matches!(confirmed(Err(moved), "SSUBSCRIBE", "a"), Ok(false)));
    }
}
