//! Removes from disk what has ended, expired rooms with all that is in them and expired users, and gives the space back
//! to the file system.
//!
//! Nothing depends on this for being absent: readers ask for what is alive. So it is done in steps that are small enough
//! not to be noticed by users, who may write between any two.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, params};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::domain::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::embedded::writer::{Outcome, Work, Writer, Written};

/// What one step removes of a room, at most: so many rows, and messages until they come to so many bytes of text.
const ROWS: u32 = 500;
const BYTES: u64 = 256 * 1_024;

/// Users removed in one step, at most. Each lies on a page of its own.
const USERS: u32 = 100;

/// Pages given back to the file system in one step, at most, and at a time. The more pages are free, the longer one takes, so
/// a step also ends after this much time.
const PAGES: u32 = 128;
const PAGES_AT_A_TIME: u32 = 8;
const GIVING_BACK: Duration = Duration::from_millis(4);

/// A step is followed by a pause as long as the step took, within these bounds: half of the time is users'.
const YIELD: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(200);

/// The pause between two rounds, at least.
const PAUSE: Duration = Duration::from_secs(1);

/// The pause between two rounds, at most.
const IDLE: Duration = Duration::from_secs(60);

/// What one change of the sweeper found.
struct Swept {
    /// Whether it removed something, so that there may be more.
    removed: bool,
    /// How long until the next room or user ends.
    next: Option<Duration>,
}

/// Sweeps until `stop`, when the next room ends or `wake` says that one may end earlier. What it removes must leave the
/// write-ahead log as well, which is asked for by `empty_log`.
pub(super) async fn run(writer: Arc<Writer>, wake: Arc<Notify>, empty_log: Arc<Notify>, stop: CancellationToken) {
    loop {
        let swept = tokio::select! {
            () = stop.cancelled() => return,
            swept = round(&writer, &empty_log) => swept,
        };
        let nap = match swept {
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

async fn round(writer: &Writer, empty_log: &Notify) -> Result<Option<Duration>, StoreError> {
    loop {
        let began = Instant::now();
        let swept = writer.write(sweep).await?;
        if !swept.removed {
            return Ok(swept.next);
        }
        empty_log.notify_one();
        tokio::time::sleep(began.elapsed().clamp(*YIELD.start(), *YIELD.end())).await;
    }
}

fn sweep(work: &mut Work<'_>) -> Outcome<Written<Swept>> {
    let (connection, now) = (work.connection, work.now);
    let removed = remove_users(connection, now)? || remove_of_a_room(connection, now)?;
    // In the same step, so that free pages never become many.
    let removed = give_back(connection)? || removed;
    let next: Option<u64> = connection
        .prepare_cached(
            "SELECT min(ends) FROM (SELECT min(expires_at) AS ends FROM room UNION ALL SELECT min(expires_at) FROM user)",
        )?
        .query_row([], |row| row.get(0))?;
    let next = next.map(|at| Timestamp::from_millis(at).since(now));
    Ok(Ok(Written::quietly(Swept { removed, next })))
}

fn remove_users(connection: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    let removed = connection
        .prepare_cached("DELETE FROM user WHERE id IN (SELECT id FROM user WHERE expires_at <= ?1 LIMIT ?2)")?
        .execute(params![now.as_millis(), USERS])?;
    Ok(removed > 0)
}

/// Removes a part of a room that has ended; the last part is the room.
fn remove_of_a_room(connection: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    let ended: Option<i64> = connection
        .prepare_cached("SELECT key FROM room WHERE expires_at <= ?1 LIMIT 1")?
        .query_row(params![now.as_millis()], |row| row.get(0))
        .optional()?;
    let Some(room) = ended else { return Ok(false) };
    // What is removed in part must stay ended, also by the clock of a later start.
    connection
        .prepare_cached("UPDATE room SET expires_at = 0 WHERE key = ?1 AND expires_at > 0")?
        .execute(params![room])?;
    if let Some(last) = last_of_a_step(connection, room)? {
        connection.prepare_cached("DELETE FROM message WHERE room = ?1 AND idx <= ?2")?.execute(params![room, last])?;
        return Ok(true);
    }
    for (table, place) in [("log", "seq"), ("chatter", "ordinal")] {
        let rows = connection
            .prepare_cached(&format!(
                "DELETE FROM {table} WHERE room = ?1
                 AND {place} IN (SELECT {place} FROM {table} WHERE room = ?1 ORDER BY {place} LIMIT ?2)"
            ))?
            .execute(params![room, ROWS])?;
        if rows > 0 {
            return Ok(true);
        }
    }
    connection.prepare_cached("DELETE FROM room WHERE key = ?1")?.execute(params![room])?;
    Ok(true)
}

/// The index up to which one step removes the messages of a room, by the size of their text.
fn last_of_a_step(connection: &Connection, room: i64) -> rusqlite::Result<Option<u64>> {
    let mut statement = connection.prepare_cached(
        "SELECT idx, coalesce(octet_length(text), 0) FROM message WHERE room = ?1 ORDER BY idx LIMIT ?2",
    )?;
    let mut rows = statement.query(params![room, ROWS])?;
    let (mut last, mut bytes) = (None, 0);
    while let Some(row) = rows.next()? {
        last = Some(row.get(0)?);
        bytes += row.get::<_, u64>(1)?;
        if bytes >= BYTES {
            break;
        }
    }
    Ok(last)
}

/// Gives back free pages, if there are any.
fn give_back(connection: &Connection) -> rusqlite::Result<bool> {
    let free: u32 = connection.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))?;
    if free == 0 {
        return Ok(false);
    }
    let began = Instant::now();
    for _ in 0..PAGES / PAGES_AT_A_TIME {
        let mut vacuum = connection.prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES_AT_A_TIME})"))?;
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
        if began.elapsed() > GIVING_BACK {
            break;
        }
    }
    let left: u32 = connection.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))?;
    // A database that cannot give space back must not be asked forever.
    Ok(left < free)
}
