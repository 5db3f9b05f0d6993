//! The sweeper: removes expired rooms and users from disk and returns the space to the file system.
//!
//! Correctness does not depend on it, because reads skip what has expired. So it works in small steps that clients do not
//! notice, with their writes in between.

use std::error::Error;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::domain::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::embedded::rooms;
use crate::store::embedded::writer::{Shared, WriteContext, Writer};

/// Maximum number of a room's rows that one step removes.
const ROWS_PER_STEP: u32 = 500;

/// Bytes of text after which a step removes no further messages.
const TEXT_PER_STEP: u64 = 256 * 1_024;

/// Maximum number of users that one step removes. Each is on a different page.
const USERS_PER_STEP: u32 = 100;

/// Maximum number of pages that one step and one statement return to the file system.
const PAGES_PER_STEP: u32 = 128;
const PAGES_PER_STATEMENT: u32 = 8;

/// Time after which a step returns no further pages. With more free pages, each takes longer.
const VACUUM_TIME: Duration = Duration::from_millis(4);

/// The bounds of the pause after a step. The pause is as long as the step, so that clients have half of the writer's time.
const STEP_PAUSE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(200);

/// The minimum pause between two rounds.
const MIN_PAUSE: Duration = Duration::from_secs(1);

/// The maximum pause between two rounds.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The result of one step.
struct StepResult {
    /// Whether the step removed something. Then there may be more to remove.
    removed: bool,
    /// The time until the next room or user expires.
    next_expiry: Option<Duration>,
}

/// Sweeps whenever a room or a user expires.
pub(super) async fn run(writer: Arc<Writer>, shared: Arc<Shared>) {
    loop {
        let pause = match run_round(&writer, &shared).await {
            Ok(next_expiry) => next_expiry.unwrap_or(MAX_PAUSE).clamp(MIN_PAUSE, MAX_PAUSE),
            Err(error) => {
                tracing::warn!(error = &error as &dyn Error, "expired rooms could not be removed from disk");
                MAX_PAUSE
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = async { shared.wake_sweeper.notified().await; tokio::time::sleep(MIN_PAUSE).await } => {}
        }
    }
}

/// Runs steps until nothing is left to remove. Returns the time until the next room or user expires.
async fn run_round(writer: &Writer, shared: &Shared) -> Result<Option<Duration>, StoreError> {
    loop {
        let started = Instant::now();
        let step = writer.write(run_step).await?;
        if !step.removed {
            return Ok(step.next_expiry);
        }
        // The removed text must leave the write-ahead log, too.
        shared.truncate_log.notify_one();
        tokio::time::sleep(started.elapsed().clamp(*STEP_PAUSE.start(), *STEP_PAUSE.end())).await;
    }
}

fn run_step(ctx: &mut WriteContext<'_>) -> Result<StepResult, StoreError> {
    let (connection, now) = (ctx.connection, ctx.now);
    let removed = remove_users(connection, now)? || remove_part_of_room(connection, now)?;
    // In the same step, so that free pages do not accumulate.
    let removed = release_free_pages(connection)? || removed;
    let next: Option<u64> = connection
        .prepare_cached(
            "SELECT min(ends) FROM (SELECT min(expires_at) AS ends FROM room UNION ALL SELECT min(expires_at) FROM user)",
        )?
        .query_row([], |row| row.get(0))?;
    let next_expiry = next.map(|at| Timestamp::from_millis(at).since(now));
    Ok(StepResult { removed, next_expiry })
}

fn remove_users(connection: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    let removed = connection
        .prepare_cached("DELETE FROM user WHERE id IN (SELECT id FROM user WHERE expires_at <= ?1 LIMIT ?2)")?
        .execute(params![now.as_millis(), USERS_PER_STEP])?;
    Ok(removed > 0)
}

/// Removes a part of an expired room: first messages, then all other rows, and at last the room itself.
fn remove_part_of_room(connection: &Connection, now: Timestamp) -> rusqlite::Result<bool> {
    let expired: Option<i64> = connection
        .prepare_cached("SELECT key FROM room WHERE expires_at <= ?1 LIMIT 1")?
        .query_row(params![now.as_millis()], |row| row.get(0))
        .optional()?;
    let Some(room) = expired else { return Ok(false) };
    // A partly removed room must stay expired even if the clock of a later start is behind.
    connection
        .prepare_cached("UPDATE room SET expires_at = 0 WHERE key = ?1 AND expires_at > 0")?
        .execute(params![room])?;
    let Range { start, end } = rooms::ids(room);
    if let Some(last) = last_message_of_step(connection, start..end)? {
        connection.prepare_cached("DELETE FROM message WHERE id >= ?1 AND id <= ?2")?.execute([start, last])?;
        return Ok(true);
    }
    let mut removed = 0;
    for (table, key) in [("change", "id"), ("reaction_entry", "message")] {
        removed += connection
            .prepare_cached(&format!(
                "DELETE FROM {table} WHERE {key} IN
                 (SELECT {key} FROM {table} WHERE {key} >= ?1 AND {key} < ?2 ORDER BY {key} LIMIT ?3)"
            ))?
            .execute(params![start, end, ROWS_PER_STEP])?;
    }
    removed += connection
        .prepare_cached(
            "DELETE FROM reaction WHERE (message, user, emoji) IN
             (SELECT message, user, emoji FROM reaction WHERE message >= ?1 AND message < ?2 LIMIT ?3)",
        )?
        .execute(params![start, end, ROWS_PER_STEP])?;
    for (table, key) in [("chatter", "ordinal"), ("ban", "seq"), ("last_sent", "subject")] {
        removed += connection
            .prepare_cached(&format!(
                "DELETE FROM {table} WHERE room = ?1
                 AND {key} IN (SELECT {key} FROM {table} WHERE room = ?1 ORDER BY {key} LIMIT ?2)"
            ))?
            .execute(params![room, ROWS_PER_STEP])?;
    }
    if removed == 0 {
        connection.prepare_cached("DELETE FROM room WHERE key = ?1")?.execute([room])?;
    }
    Ok(true)
}

/// The id of the last message that one step removes, limited by the size of the texts.
fn last_message_of_step(connection: &Connection, ids: Range<i64>) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT id, coalesce(octet_length(text), 0) FROM message WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut rows = statement.query(params![ids.start, ids.end, ROWS_PER_STEP])?;
    let (mut last, mut bytes) = (None, 0);
    while let Some(row) = rows.next()? {
        last = Some(row.get(0)?);
        bytes += row.get::<_, u64>(1)?;
        if bytes >= TEXT_PER_STEP {
            break;
        }
    }
    Ok(last)
}

/// Returns free pages to the file system. Returns whether there were any.
fn release_free_pages(connection: &Connection) -> rusqlite::Result<bool> {
    let free: u32 = connection.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))?;
    if free == 0 {
        return Ok(false);
    }
    let started = Instant::now();
    for _ in 0..PAGES_PER_STEP / PAGES_PER_STATEMENT {
        let mut vacuum = connection.prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES_PER_STATEMENT})"))?;
        let mut pages = vacuum.query([])?;
        while pages.next()?.is_some() {}
        if started.elapsed() > VACUUM_TIME {
            break;
        }
    }
    let left: u32 = connection.prepare_cached("PRAGMA freelist_count")?.query_row([], |row| row.get(0))?;
    // Without progress there would be no end: not every database can return pages.
    Ok(left < free)
}
