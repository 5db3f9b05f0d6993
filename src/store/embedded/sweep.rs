//! Removes from disk what has ended: expired rooms with all that is in them, expired users, deleted text.
//!
//! Nothing depends on this for being absent: readers ask for what is alive. It only gives the space back.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{OptionalExtension as _, params};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::domain::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::embedded::writer::{Outcome, Work, Writer, Written};

/// Rows of one table removed in one change, at most: senders never wait long behind it.
const CHUNK: u32 = 1_000;

/// The pause between two rounds, at least.
const PAUSE: Duration = Duration::from_secs(1);

/// The pause between two rounds, at most, so that an early wish to wake up is never waited for for long.
const IDLE: Duration = Duration::from_secs(60);

/// What one change of the sweeper found.
struct Swept {
    /// Whether it removed something, so that there may be more.
    removed: bool,
    /// How long until the next room or user ends.
    next: Option<Duration>,
}

/// Sweeps until `stop`, when the next room ends or `wake` says that there is something to clear away.
pub(super) async fn run(writer: Arc<Writer>, wake: Arc<Notify>, stop: CancellationToken) {
    loop {
        let nap = match round(&writer).await {
            Ok(next) => next.unwrap_or(IDLE).clamp(PAUSE, IDLE),
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "expired rooms could not be removed from disk"
                );
                IDLE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(nap) => {}
            () = async { wake.notified().await; tokio::time::sleep(PAUSE).await } => {}
        }
    }
}

async fn round(writer: &Writer) -> Result<Option<Duration>, StoreError> {
    loop {
        let swept = writer.write(sweep).await?;
        if !swept.removed {
            writer.checkpoint().await?;
            return Ok(swept.next);
        }
    }
}

fn sweep(work: &mut Work<'_>) -> Outcome<Written<Swept>> {
    let (connection, now) = (work.connection, work.now);
    let ended: Option<i64> = connection
        .prepare_cached("SELECT key FROM room WHERE expires_at <= ?1 LIMIT 1")?
        .query_row(params![now.as_millis()], |row| row.get(0))
        .optional()?;
    let mut removed = connection
        .prepare_cached("DELETE FROM user WHERE id IN (SELECT id FROM user WHERE expires_at <= ?1 LIMIT ?2)")?
        .execute(params![now.as_millis(), CHUNK])?;
    if let Some(room) = ended {
        removed += 1;
        let mut emptied = true;
        for (table, place) in [("message", "idx"), ("log", "seq"), ("chatter", "ordinal")] {
            let rows = connection
                .prepare_cached(&format!(
                    "DELETE FROM {table} WHERE room = ?1
                     AND {place} IN (SELECT {place} FROM {table} WHERE room = ?1 LIMIT ?2)"
                ))?
                .execute(params![room, CHUNK])?;
            emptied &= rows < CHUNK as usize;
        }
        if emptied {
            connection.prepare_cached("DELETE FROM room WHERE key = ?1")?.execute(params![room])?;
        }
    }
    if removed > 0 {
        let mut vacuum = connection.prepare_cached(&format!("PRAGMA incremental_vacuum({CHUNK})"))?;
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
    }
    let next: Option<u64> = connection
        .prepare_cached(
            "SELECT min(ends) FROM (SELECT min(expires_at) AS ends FROM room UNION ALL SELECT min(expires_at) FROM user)",
        )?
        .query_row([], |row| row.get(0))?;
    let next = next.map(|at| Timestamp::from_millis(at).since(now));
    Ok(Ok(Written::quietly(Swept { removed: removed > 0, next })))
}
