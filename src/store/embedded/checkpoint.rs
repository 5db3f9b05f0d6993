//! Copies the write-ahead log into the database, and truncates it after text was deleted or replaced.
//!
//! Before a truncation, copies of deleted text are cleared from the pages that were written (see `remnants`). A separate
//! connection copies the log while the writer continues. Only the writer can truncate the log, and only while no other
//! connection reads from it. That is tried when nearly everything is copied, and never waits for another process (a backup,
//! a shell) that is reading: it is retried every second until that reader is gone.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::store::StoreError;
use crate::store::embedded::error;
use crate::store::embedded::remnants;
use crate::store::embedded::wal::{self, CheckpointMode, CheckpointProgress, LONG_LOG};
use crate::store::embedded::writer::{Shared, Writer};

/// Frames that may remain for the writer to copy when it truncates the log.
const NEARLY_COPIED: i64 = 256;

/// The pause before a round. Everything deleted during the pause leaves the log in that round.
const PAUSE: Duration = Duration::from_secs(1);

/// How long text stays in the log at most, if no other process reads from it.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The pause after a failed round.
const RETRY: Duration = Duration::from_secs(5);

/// How long another process may block the truncation before the first warning, and the interval of further warnings.
const WARN_AFTER: Duration = Duration::from_secs(15);
const WARN_INTERVAL: Duration = Duration::from_secs(600);

/// Pages examined in one blocking task.
const PAGES_PER_SCAN: usize = 4_096;

/// Pages cleared in one transaction of the writer.
const PAGES_PER_WRITE: usize = 64;

/// Copies and truncates the log until `stop`.
pub(super) async fn run(writer: Arc<Writer>, shared: Arc<Shared>, stop: CancellationToken) {
    let mut checkpointer = Checkpointer { writer, shared, connection: None, blocked: None, stop: stop.clone() };
    // When the next truncation is due. The log may contain deleted text of an earlier process, so the first one is due at once.
    let mut due_at = Some(Instant::now());
    let mut is_failing = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = checkpointer.shared.truncate_log.notified() => due_at = Some(Instant::now()),
            () = checkpointer.shared.log_size.changed() => due_at = due_at.or(Some(Instant::now() + MAX_AGE)),
            () = async { tokio::time::sleep_until(due_at.unwrap_or_else(Instant::now)).await }, if due_at.is_some() => {}
        }
        let is_due = due_at.is_some_and(|at| at <= Instant::now());
        if !is_due && checkpointer.shared.log_size.frames() < LONG_LOG {
            continue;
        }
        if stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_none() {
            return;
        }
        match checkpointer.run_round(is_due).await {
            Ok(true) => (due_at, is_failing) = (None, false),
            Ok(false) => is_failing = false,
            Err(error) => {
                if !is_failing {
                    tracing::warn!(
                        error = &error as &dyn Error,
                        "the write-ahead log cannot be copied into the database; retrying until it can"
                    );
                }
                (checkpointer.connection, due_at, is_failing) = (None, Some(Instant::now() + RETRY), true);
            }
        }
    }
}

struct Checkpointer {
    writer: Arc<Writer>,
    shared: Arc<Shared>,
    connection: Option<Connection>,
    /// Since when another process has blocked the truncation, and when the next warning is due.
    blocked: Option<(Instant, Instant)>,
    stop: CancellationToken,
}

impl Checkpointer {
    /// Copies the log, and restarts it, or truncates it if `truncate` is set. Returns whether the log is empty now.
    async fn run_round(&mut self, truncate: bool) -> Result<bool, StoreError> {
        if truncate && let Err(error) = self.clear_remnants().await {
            self.shared.written_pages.as_ref().inspect(|pages| pages.add_all());
            return Err(error);
        }
        let is_nearly_copied = self.copy().await?;
        if !truncate {
            if is_nearly_copied {
                self.writer.finish_checkpoint(CheckpointMode::Restart).await?;
            }
            return Ok(false);
        }
        let truncated = is_nearly_copied && self.writer.finish_checkpoint(CheckpointMode::Truncate).await?;
        self.warn_if_blocked(truncated);
        Ok(truncated)
    }

    /// Copies all frames that no reader still needs in the log, on a blocking thread. Returns whether little remains for the
    /// writer.
    async fn copy(&mut self) -> Result<bool, StoreError> {
        let progress = self.with_connection(|connection| {
            // The second checkpoint copies what was written during the first.
            let first = wal::checkpoint(connection, CheckpointMode::Passive)?;
            let second = wal::checkpoint(connection, CheckpointMode::Passive)?;
            Ok(first.zip(second))
        });
        // If much remains, either more is written than copied, which only the writer can end, or a reader blocks the copy.
        // In the second case, the second checkpoint copies nothing.
        let is_nearly_copied = |(first, second): (CheckpointProgress, CheckpointProgress)| {
            second.remaining <= NEARLY_COPIED || second.copied > first.copied
        };
        Ok(progress.await?.is_some_and(is_nearly_copied))
    }

    /// Examines the pages that were written, and has the writer clear those that contain remnants.
    async fn clear_remnants(&mut self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        let take = move |connection: &_| shared.written_pages.as_ref().map(|pages| pages.take(connection)).transpose();
        let numbers = self.with_connection(take).await?.unwrap_or_default();
        for chunk in numbers.chunks(PAGES_PER_SCAN) {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let chunk = chunk.to_vec();
            let found = self.with_connection(move |connection| remnants::find(connection, &chunk)).await?;
            for chunk in found.chunks(PAGES_PER_WRITE) {
                let chunk = chunk.to_vec();
                self.writer.write(move |ctx| Ok(remnants::clear(ctx.connection, &chunk)?)).await?;
            }
        }
        Ok(())
    }

    /// Runs `work` with this task's connection, on a blocking thread.
    async fn with_connection<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (shared, connection) = (Arc::clone(&self.shared), self.connection.take());
        let task = tokio::task::spawn_blocking(move || {
            let connection = connection.map_or_else(|| shared.file.open_checkpointer(), Ok)?;
            shared.file.check_not_moved()?;
            work(&connection).map(|result| (connection, result))
        });
        let outcome: rusqlite::Result<_> = task.await.map_err(|_| error::panicked())?;
        let (connection, result) = outcome?;
        self.connection = Some(connection);
        Ok(result)
    }

    fn warn_if_blocked(&mut self, truncated: bool) {
        let now = Instant::now();
        if truncated {
            self.blocked = None;
            return;
        }
        let (since, warn_at) = self.blocked.get_or_insert((now, now + WARN_AFTER));
        if now >= *warn_at {
            *warn_at = now + WARN_INTERVAL;
            tracing::warn!(
                seconds = now.duration_since(*since).as_secs(),
                "another process reads livechat.db in one long transaction; until it ends, deleted text stays in \
                 livechat.db-wal and that file grows"
            );
        }
    }
}
