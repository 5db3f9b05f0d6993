//! Copies the write-ahead log into the database, and empties it once text was deleted or replaced.
//!
//! Before the log is emptied, the pages that were written lose what is left in them of deleted text (`remnants`).
//! Copying is done by a connection of its own, beside the writer. The log can be emptied only by the writer, and only while
//! nobody reads from it. That is tried when next to nothing is left to copy, and given up at once where another process
//! (a backup, a shell) is reading: it is tried again every second until that reader is gone.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::store::StoreError;
use crate::store::embedded::error;
use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::remnants::{self, WrittenPages};
use crate::store::embedded::wal::{self, Checkpoint, Copied, LONG, WalSize};
use crate::store::embedded::writer::{Work, Writer, Written};

/// Frames that the writer may be left to copy when it empties the log.
const NEARLY_COPIED: i64 = 256;

/// The pause between two rounds: what is deleted in it leaves the log together.
const PAUSE: Duration = Duration::from_secs(1);

/// How long anything stays in the log, if nobody reads from it.
const STAYS: Duration = Duration::from_secs(60);

/// The pause after a round that failed.
const RETRY: Duration = Duration::from_secs(5);

/// How long the log may stay as it is, for another reader, before the operator is told, and told again.
const TELL_AFTER: Duration = Duration::from_secs(15);
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(600);

/// Pages looked at in one go on a thread for blocking work, and pages cleared in one transaction of the writer.
const LOOKED_AT: usize = 4_096;
const CLEARED: usize = 64;

/// Copies and empties until `stop`. Emptying is due when `wanted` says so.
pub(super) async fn run(
    writer: Arc<Writer>,
    file: Arc<DatabaseFile>,
    size: Arc<WalSize>,
    written: Option<Arc<WrittenPages>>,
    wanted: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut log = Log { writer, file, written, connection: None, obstructed: None, stop: stop.clone() };
    // What an earlier process left behind is there to be emptied, too.
    let (mut is_wanted, mut empty_at, mut is_failing) = (true, None, false);
    loop {
        let again = if is_wanted { Some(Instant::now()) } else { empty_at };
        tokio::select! {
            () = stop.cancelled() => return,
            () = wanted.notified() => is_wanted = true,
            () = size.changed() => empty_at = empty_at.or(Some(Instant::now() + STAYS)),
            () = async { tokio::time::sleep_until(again.unwrap_or_else(Instant::now)).await }, if again.is_some() => {
                is_wanted = true;
            }
        }
        if !is_wanted && size.frames() < LONG {
            continue;
        }
        // Whatever else is deleted in this time goes with it.
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        let due = is_wanted;
        match log.round(due).await {
            Ok(true) => (is_wanted, empty_at, is_failing) = (false, None, false),
            Ok(false) => (is_wanted, is_failing) = (due, false),
            Err(error) => {
                if !is_failing {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the write-ahead log cannot be copied into the database; tried again until it can"
                    );
                }
                (log.connection, is_wanted, is_failing) = (None, true, true);
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(RETRY) => {}
                }
            }
        }
    }
}

struct Log {
    writer: Arc<Writer>,
    file: Arc<DatabaseFile>,
    /// `None` where pages cannot be cleared.
    written: Option<Arc<WrittenPages>>,
    connection: Option<Connection>,
    /// Since when another reader keeps the log from being emptied, and when the operator is told.
    obstructed: Option<(Instant, Instant)>,
    stop: CancellationToken,
}

impl Log {
    /// Copies and restarts, or empties if that is due: whether the log is empty now.
    async fn round(&mut self, is_due: bool) -> Result<bool, StoreError> {
        if is_due && let Some(written) = self.written.clone() {
            let cleared = self.clear_remnants(&written).await;
            cleared.inspect_err(|_| written.add_everything())?;
        }
        let is_nearly_copied = self.copy().await?;
        if !is_due {
            if is_nearly_copied {
                self.writer.finish_log(Checkpoint::Restart).await?;
            }
            return Ok(false);
        }
        let emptied = is_nearly_copied && self.writer.finish_log(Checkpoint::Empty).await?;
        self.note(emptied);
        Ok(emptied)
    }

    /// Copies what no reader still needs as it was: whether the writer has little left to do. Never on a thread that
    /// serves sockets, nor on the writer's.
    async fn copy(&mut self) -> Result<bool, StoreError> {
        let copied = self.with_connection(|connection| {
            // The second time takes what was written during the first.
            let first = wal::checkpoint(connection, Checkpoint::Copy)?;
            let second = wal::checkpoint(connection, Checkpoint::Copy)?;
            Ok(first.zip(second))
        });
        let copied = copied.await?;
        // Where much is left, either more is written all the time than is copied, which only the writer can end, or a
        // reader is in the way, and then nothing was copied the second time.
        let has_little_left =
            |(first, second): (Copied, Copied)| second.left <= NEARLY_COPIED || second.done > first.done;
        Ok(copied.is_some_and(has_little_left))
    }

    /// Looks at the pages that were written, and has the writer clear those that need it.
    async fn clear_remnants(&mut self, written: &Arc<WrittenPages>) -> Result<(), StoreError> {
        let taken = Arc::clone(written);
        let numbers = self.with_connection(move |connection| taken.take(connection)).await?;
        for some in numbers.chunks(LOOKED_AT) {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            let some = some.to_vec();
            let found = self.with_connection(move |connection| remnants::find(connection, &some)).await?;
            for some in found.chunks(CLEARED) {
                let some = some.to_vec();
                let clear = move |work: &mut Work<'_>| {
                    remnants::clear(work.connection, &some).map(|()| Ok(Written::quietly(())))
                };
                self.writer.write(clear).await?;
            }
        }
        Ok(())
    }

    /// Does `work` with the connection beside the writer's, on a thread for blocking work.
    async fn with_connection<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (file, connection) = (Arc::clone(&self.file), self.connection.take());
        let working = tokio::task::spawn_blocking(move || {
            let connection = connection.map_or_else(|| file.checkpointer(), Ok)?;
            file.check_in_place()?;
            work(&connection).map(|done| (connection, done))
        });
        let done: rusqlite::Result<_> = working.await.map_err(|_| error::panicked())?;
        let (connection, done) = done.map_err(error::from_sqlite)?;
        self.connection = Some(connection);
        Ok(done)
    }

    fn note(&mut self, emptied: bool) {
        let now = Instant::now();
        if emptied {
            self.obstructed = None;
            return;
        }
        let (since, tell_at) = self.obstructed.get_or_insert((now, now + TELL_AFTER));
        if now >= *tell_at {
            *tell_at = now + TELL_AGAIN_AFTER;
            tracing::warn!(
                seconds = now.duration_since(*since).as_secs(),
                "another process reads livechat.db in one long transaction; text that was deleted stays in \
                 livechat.db-wal, and that file grows, until it ends"
            );
        }
    }
}
