//! The pub/sub connection to one server: reconnects after a loss, makes the server's subscriptions match the wanted ones, and
//! reports the channels that have a gap.
//!
//! It is level-triggered: channels are wanted or not, and after every change it synchronizes the subscriptions on the current
//! connection. The connection's driver calls the handler with every message.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, pending};
use rand::RngExt as _;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, ErrorKind, PushInfo, PushKind, RedisError, ServerErrorKind, Value};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};
use tracing::{info, warn};

use crate::store::redis::link::primary::Primary;
use crate::store::redis::link::pubsub::subscriptions::{Channel, Subscriptions};

/// Subscriptions requested at a time.
const MAX_IN_FLIGHT: usize = 64;
const PING_INTERVAL: Duration = Duration::from_secs(2);
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the sentinels have to name the primary.
const LOCATE_TIMEOUT: Duration = Duration::from_secs(2);
const MIN_RECONNECT_DELAY: Duration = Duration::from_millis(50);
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(1);
/// The pause before a subscription that a node of a cluster rejected is requested again.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// An event for the handler of messages.
pub enum PubSubEvent<'a> {
    Message {
        channel: &'a str,
        payload: &'a [u8],
    },
    /// Messages of these channels may have been lost.
    Gap(Vec<Channel>),
    /// The server pushed something that cannot be read.
    Malformed,
}

/// Handles messages. Called by the driver of a connection, so it must not block.
pub type Handler = Arc<dyn Fn(PubSubEvent<'_>) + Send + Sync>;

/// Why a connection was given up.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("this Redis is a replica, not the primary")]
    Replica,
    #[error("another Redis is the primary now")]
    Superseded,
    #[error(transparent)]
    TimedOut(#[from] tokio::time::error::Elapsed),
    #[error("the connection was closed")]
    Closed,
    #[error("unexpected reply")]
    UnexpectedReply,
}

/// Listens to one server.
pub struct Listener {
    primary: Arc<Primary>,
    config: AsyncConnectionConfig,
    handler: Handler,
    subscriptions: Arc<Subscriptions>,
    /// Requests a refresh of the topology, if the server belongs to a cluster.
    refresh_requested: Option<Arc<Notify>>,
    /// The last logged reason for a missing connection.
    logged_reason: Option<String>,
    delay: Duration,
}

impl Listener {
    pub fn new(
        primary: Arc<Primary>,
        config: AsyncConnectionConfig,
        handler: Handler,
        subscriptions: Arc<Subscriptions>,
        refresh_requested: Option<Arc<Notify>>,
    ) -> Self {
        let (logged_reason, delay) = (None, MIN_RECONNECT_DELAY);
        Self { primary, config, handler, subscriptions, refresh_requested, logged_reason, delay }
    }

    /// Listens for ever.
    pub async fn run(mut self) {
        loop {
            let Err(lost) = self.listen().await;
            self.request_refresh();
            let reason = lost.to_string();
            if self.logged_reason.as_ref() != Some(&reason) {
                warn!(error = %reason, server = %self.primary.address(), "no pub/sub connection");
                self.logged_reason = Some(reason);
            }
            let jitter = rand::rng().random_range(0.5..=1.0);
            sleep(self.delay.mul_f64(jitter)).await;
            self.delay = (self.delay * 2).min(MAX_RECONNECT_DELAY);
        }
    }

    fn request_refresh(&self) {
        if let Some(refresh) = &self.refresh_requested {
            refresh.notify_one();
        }
    }

    /// Listens on one connection until it is lost.
    async fn listen(&mut self) -> Result<Infallible, Lost> {
        let pushes = PushHandler::new(&self.handler, &self.subscriptions, self.refresh_requested.clone());
        let config = self.config.clone().set_push_sender(pushes.callback());
        let generation = self.primary.generation();
        let client = timeout(LOCATE_TIMEOUT, self.primary.client()).await??;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        timeout(PING_TIMEOUT, self.check_role(generation, &connection)).await??;
        self.subscriptions.set_connected(pushes.connection);
        let mut watchdog = interval_at(Instant::now() + PING_INTERVAL, PING_INTERVAL);
        watchdog.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let primary = Arc::clone(&self.primary);
        let mut superseded = pin!(primary.superseded(generation));
        loop {
            let rejected = self.synchronize(&connection).await?;
            self.logged_reason = None;
            self.delay = MIN_RECONNECT_DELAY;
            let retry = async { if rejected.is_empty() { pending().await } else { sleep(RETRY_DELAY).await } };
            tokio::select! {
                () = self.subscriptions.changed.notified() => {}
                () = retry => {}
                () = pushes.closed.notified() => return Err(Lost::Closed),
                () = &mut superseded => return Err(Lost::Superseded),
                _ = watchdog.tick() => timeout(PING_TIMEOUT, self.check_role(generation, &connection)).await??,
            }
            self.subscriptions.retry(&rejected);
        }
    }

    /// Checks that the connection leads to a primary, and marks the generation of a replica as demoted.
    async fn check_role(&self, generation: u64, connection: &MultiplexedConnection) -> Result<(), Lost> {
        let reply: Value = redis::cmd("ROLE").query_async(&mut connection.clone()).await?;
        match reply.as_sequence().and_then(<[Value]>::first) {
            Some(Value::BulkString(role)) if role == b"master" => Ok(()),
            Some(Value::BulkString(role)) if role == b"slave" => {
                self.primary.mark_demoted(generation);
                Err(Lost::Replica)
            }
            _ => Err(Lost::UnexpectedReply),
        }
    }

    /// Makes the subscriptions of this connection match the wanted ones. One channel per command, so that in a cluster no command
    /// spans slots. Both commands are idempotent, so no record is kept of what was subscribed before. Returns the channels
    /// that the server rejected because it does not own them.
    async fn synchronize(&self, connection: &MultiplexedConnection) -> Result<Vec<Channel>, Lost> {
        let is_sharded = self.refresh_requested.is_some();
        let (subscribe, unsubscribe) =
            if is_sharded { ("SSUBSCRIBE", "SUNSUBSCRIBE") } else { ("SUBSCRIBE", "UNSUBSCRIBE") };
        let (mut rejected, mut gaps) = (Vec::new(), 0);
        while let Some((wanted, unwanted)) = self.subscriptions.take_changes() {
            for channels in unwanted.chunks(MAX_IN_FLIGHT) {
                send_for_each(connection, unsubscribe, channels).await?;
            }
            for channels in wanted.chunks(MAX_IN_FLIGHT) {
                let (confirmed, others) = send_for_each(connection, subscribe, channels).await?;
                self.subscriptions.activate(&confirmed, |channels| {
                    gaps += channels.len();
                    (self.handler)(PubSubEvent::Gap(channels));
                });
                rejected.extend(others);
            }
        }
        if gaps > 0 {
            info!(channels = gaps, "subscribers resync: messages may have been lost");
        }
        if !rejected.is_empty() {
            self.request_refresh();
        }
        Ok(rejected)
    }
}

/// Sends a command for each channel. Returns the channels for which the server confirmed it, and those that it rejected because
/// it does not own them.
async fn send_for_each(
    connection: &MultiplexedConnection,
    command: &str,
    channels: &[Channel],
) -> Result<(Vec<Channel>, Vec<Channel>), Lost> {
    let replies = channels.iter().map(async |channel| {
        let reply = redis::cmd(command).arg(&**channel).query_async(&mut connection.clone()).await;
        is_confirmed(reply, command, channel)
    });
    let (mut confirmed, mut rejected) = (Vec::new(), Vec::new());
    for (channel, is_confirmed) in channels.iter().zip(join_all(replies).await) {
        if is_confirmed? { confirmed.push(channel.clone()) } else { rejected.push(channel.clone()) }
    }
    Ok((confirmed, rejected))
}

/// Whether this reply confirms the command for this channel; false if another node owns the slot. The driver matches replies to
/// commands by their order. When a slot moves, the old node ends the subscription with a push that looks like a reply. From then
/// on every command gets the reply to another one, which is an error.
fn is_confirmed(reply: Result<Value, RedisError>, command: &str, channel: &str) -> Result<bool, Lost> {
    use ServerErrorKind::{Ask, ClusterDown, Moved, TryAgain};
    match reply {
        Ok(Value::Push { kind, data }) => {
            let expected = match command {
                "SUBSCRIBE" => PushKind::Subscribe,
                "UNSUBSCRIBE" => PushKind::Unsubscribe,
                "SSUBSCRIBE" => PushKind::SSubscribe,
                _ => PushKind::SUnsubscribe,
            };
            let is_ours = matches!(&data[..], [Value::BulkString(of), ..] if of == channel.as_bytes());
            if kind == expected && is_ours { Ok(true) } else { Err(Lost::UnexpectedReply) }
        }
        Ok(_) => Err(Lost::UnexpectedReply),
        Err(error) if matches!(error.kind(), ErrorKind::Server(Moved | Ask | TryAgain | ClusterDown)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Handles the pushes of one connection, as long as it is the current one. Dropping it ends that connection's subscriptions.
struct PushHandler {
    handler: Handler,
    subscriptions: Arc<Subscriptions>,
    connection: u64,
    refresh_requested: Option<Arc<Notify>>,
    closed: Arc<Notify>,
}

impl PushHandler {
    fn new(handler: &Handler, subscriptions: &Arc<Subscriptions>, refresh_requested: Option<Arc<Notify>>) -> Self {
        let connection = subscriptions.next_connection_id();
        let (handler, subscriptions) = (handler.clone(), subscriptions.clone());
        Self { handler, subscriptions, connection, refresh_requested, closed: Arc::default() }
    }

    /// The function that the connection's driver calls with every push.
    fn callback(&self) -> impl Fn(PushInfo) -> Result<(), Infallible> + Send + Sync + 'static {
        let (handler, subscriptions, closed) = (self.handler.clone(), self.subscriptions.clone(), self.closed.clone());
        let (connection, refresh) = (self.connection, self.refresh_requested.clone());
        move |push| {
            match (&push.kind, &push.data[..]) {
                (PushKind::Message | PushKind::SMessage, [channel, Value::BulkString(payload)]) => {
                    match channel_name(channel) {
                        Some(channel) => subscriptions.deliver(channel, connection, || {
                            handler(PubSubEvent::Message { channel, payload });
                        }),
                        None => handler(PubSubEvent::Malformed),
                    }
                }
                (PushKind::Message | PushKind::SMessage, _) => handler(PubSubEvent::Malformed),
                (PushKind::SUnsubscribe, [channel, ..]) => {
                    if channel_name(channel).is_some_and(|it| subscriptions.mark_ended(&it.into(), connection))
                        && let Some(refresh) = &refresh
                    {
                        refresh.notify_one();
                    }
                }
                (PushKind::Disconnection, _) => closed.notify_one(),
                _ => {}
            }
            Ok(())
        }
    }
}

fn channel_name(value: &Value) -> Option<&str> {
    let Value::BulkString(name) = value else { return None };
    str::from_utf8(name).ok()
}

impl Drop for PushHandler {
    fn drop(&mut self) {
        self.subscriptions.set_disconnected();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn after_a_loss_no_message_is_delivered_before_the_gap_is_reported() {
        let (sender, events) = mpsc::channel();
        let handler: Handler = Arc::new(move |event| {
            let event = match event {
                PubSubEvent::Message { channel, payload } => format!("{channel}: {}", payload.escape_ascii()),
                PubSubEvent::Gap(channels) => format!("gap: {}", channels.join(", ")),
                PubSubEvent::Malformed => "malformed".to_owned(),
            };
            sender.send(event).expect("a receiver");
        });
        let (subscriptions, channel) = (Arc::<Subscriptions>::default(), Channel::from("news"));
        let push = |callback: &dyn Fn(PushInfo) -> Result<(), Infallible>| {
            let data = ["news", "hello"].map(|text| Value::BulkString(text.into()));
            let Ok(()) = callback(PushInfo { kind: PushKind::Message, data: data.into() });
        };
        let activate = || subscriptions.activate(std::slice::from_ref(&channel), |gap| handler(PubSubEvent::Gap(gap)));
        let _waiting = subscriptions.add(channel.clone());
        let first = PushHandler::new(&handler, &subscriptions, None);
        subscriptions.set_connected(first.connection);
        let old_callback = first.callback();
        activate();
        push(&old_callback);
        assert_eq!(events.try_recv().as_deref(), Ok("news: hello"));
        drop(first);
        let second = PushHandler::new(&handler, &subscriptions, None);
        subscriptions.set_connected(second.connection);
        push(&old_callback);
        push(&second.callback());
        activate();
        push(&old_callback);
        push(&second.callback());
        assert_eq!(events.try_iter().collect::<Vec<_>>(), ["gap: news", "news: hello"]);
    }

    #[test]
    fn reply_to_another_command_is_an_error() {
        let push = |kind, channel: &str| Ok(Value::Push { kind, data: vec![Value::BulkString(channel.into())] });
        assert!(matches!(is_confirmed(push(PushKind::SSubscribe, "a"), "SSUBSCRIBE", "a"), Ok(true)));
        for (kind, channel) in [(PushKind::SSubscribe, "b"), (PushKind::SUnsubscribe, "a")] {
            assert!(matches!(is_confirmed(push(kind, channel), "SSUBSCRIBE", "a"), Err(Lost::UnexpectedReply)));
        }
        let moved = RedisError::from((ErrorKind::Server(ServerErrorKind::Moved), ""));
        assert!(matches!(is_confirmed(Err(moved), "SSUBSCRIBE", "a"), Ok(false)));
    }
}
