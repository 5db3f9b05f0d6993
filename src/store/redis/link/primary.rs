//! Where the Redis is that takes writes: at one address for good, or wherever the sentinels say. Whoever holds connections
//! to it learns here that it is another one now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError, RedisResult, Value};
use tokio::time::{sleep, timeout};

use crate::store::redis::link::settings::Settings;

/// How often it is asked whether the primary is still the same.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the sentinels have to answer that.
const LOOK_WITHIN: Duration = Duration::from_secs(2);

/// What was taken for the primary is none.
#[derive(Debug, thiserror::Error)]
pub(in crate::store::redis) enum NotPrimary {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("this Redis is a replica, not the primary")]
    Replica,
    #[error("an answer was not to what was asked")]
    Confused,
}

/// The one Redis that takes writes.
pub(in crate::store::redis) struct Primary {
    whereabouts: Whereabouts,
    /// Counts the primaries there were. What was connected in an earlier turn is to be given up.
    turn: AtomicU64,
    /// Where the sentinels saw it last.
    seen: Mutex<Option<String>>,
}

enum Whereabouts {
    Known(Box<Client>),
    Sentinels(Box<Settings>),
}

impl Primary {
    /// The primary that these settings describe. Nothing is connected yet.
    pub fn of(settings: &Settings) -> RedisResult<Self> {
        let whereabouts = if settings.has_sentinels() {
            Whereabouts::Sentinels(Box::new(settings.clone()))
        } else {
            Whereabouts::Known(Box::new(settings.client()?))
        };
        Ok(Self { whereabouts, turn: AtomicU64::default(), seen: Mutex::default() })
    }

    /// A Redis that is at one address for good.
    pub fn at(client: Client) -> Self {
        Self { whereabouts: Whereabouts::Known(Box::new(client)), turn: AtomicU64::default(), seen: Mutex::default() }
    }

    /// A client of the primary as it is now. Takes as long as the sentinels take, so it wants a deadline.
    pub async fn client(&self) -> RedisResult<Client> {
        match &self.whereabouts {
            Whereabouts::Known(client) => Ok((**client).clone()),
            Whereabouts::Sentinels(settings) => {
                let client = settings.sentinel_client()?.async_get_client().await?;
                let address = client.get_connection_info().addr().to_string();
                let before = self.seen.lock().replace(address.clone());
                if before.is_some_and(|before| before != address) {
                    self.turn.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(%address, "the sentinels name another primary");
                }
                Ok(client)
            }
        }
    }

    /// Where it was last; nowhere as long as no sentinel was asked.
    pub fn address(&self) -> String {
        match &self.whereabouts {
            Whereabouts::Known(client) => client.get_connection_info().addr().to_string(),
            Whereabouts::Sentinels(_) => self.seen.lock().clone().unwrap_or_default(),
        }
    }

    /// Which turn it is. To be asked before [`client`](Self::client), to notice a change meanwhile.
    pub fn turn(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    /// Says that what was connected in this turn is no primary. Saying it again changes nothing.
    pub fn is_none(&self, turn: u64) {
        let _ = self.turn.compare_exchange(turn, turn + 1, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Waits until this turn is over. While the sentinels cannot be asked it goes on.
    pub async fn is_over(&self, turn: u64) {
        while self.turn() == turn {
            sleep(LOOK_EVERY).await;
            if matches!(self.whereabouts, Whereabouts::Sentinels(_)) {
                let _ = timeout(LOOK_WITHIN, self.client()).await;
            }
        }
    }

    /// Makes sure that this connection, made in this turn, leads to a primary.
    pub async fn confirm(&self, turn: u64, connection: &MultiplexedConnection) -> Result<(), NotPrimary> {
        let role: Value = redis::cmd("ROLE").query_async(&mut connection.clone()).await?;
        match role {
            Value::Array(facts) => match facts.first() {
                Some(Value::BulkString(role)) if role == b"slave" => {
                    self.is_none(turn);
                    Err(NotPrimary::Replica)
                }
                Some(Value::BulkString(role)) if role == b"master" => Ok(()),
                _ => Err(NotPrimary::Confused),
            },
            _ => Err(NotPrimary::Confused),
        }
    }
}
