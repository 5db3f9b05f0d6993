//! SQLite's write-ahead log: its length, and checkpoints, which copy it into the database.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;
use tokio::sync::Notify;

/// Length in frames, each a page of 4 KiB, from which on the log is copied.
pub(super) const LONG_LOG: u32 = 4_000;

thread_local! {
    /// The length of the log. SQLite's hook is a plain function, so it has no other place to store it.
    static FRAMES: Cell<u32> = const { Cell::new(0) };
}

/// Records the length of the log for the calling thread after each transaction of `connection`, which stays on that thread.
pub(super) fn count_frames(connection: &Connection) {
    connection.wal_hook(Some(|_, frames| {
        FRAMES.set(frames.unsigned_abs());
        Ok(())
    }));
}

/// The length of the log, updated by the writer.
#[derive(Debug, Default)]
pub(super) struct WalSize {
    frames: AtomicU32,
    changed: Notify,
}

impl WalSize {
    /// Stores the length that the calling thread has recorded. Wakes the waiting task if the log was empty before or is long.
    pub(super) fn update(&self) {
        let frames = FRAMES.get();
        let before = self.frames.swap(frames, Ordering::Relaxed);
        // A transaction that changes nothing adds no frames.
        if frames > 0 && (before == 0 || frames >= LONG_LOG) {
            self.changed.notify_one();
        }
    }

    /// Sets the length to zero, because the calling thread restarts the log.
    pub(super) fn reset(&self) {
        FRAMES.set(0);
        self.frames.store(0, Ordering::Relaxed);
    }

    /// Length in frames after the last transaction; each frame is a page.
    pub(super) fn frames(&self) -> u32 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Waits for an [`update`](Self::update) of a log that was empty before it or is long.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// How much of the log has been copied into the database, in frames.
#[derive(Clone, Copy, Debug)]
pub(super) struct CheckpointProgress {
    pub(super) copied: i64,
    pub(super) remaining: i64,
}

/// A mode of SQLite's checkpoint, with SQLite's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckpointMode {
    /// Copies the log as far as readers allow.
    Passive,
    /// Copies all of the log and restarts it in the same file, whose content stays until it is overwritten.
    Restart,
    /// Copies all of the log and truncates its file.
    Truncate,
}

/// Runs a checkpoint. `None` if another connection blocks it for longer than the connection's busy timeout.
pub(super) fn checkpoint(
    connection: &Connection,
    mode: CheckpointMode,
) -> rusqlite::Result<Option<CheckpointProgress>> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode:?})"), [], |row| {
        let (is_busy, frames, copied): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((!is_busy).then_some(CheckpointProgress { copied, remaining: frames.saturating_sub(copied) }))
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_new_log_and_a_long_one_wake_the_waiting_task() {
        let size = WalSize::default();
        let wakes = |frames| {
            FRAMES.set(frames);
            size.update();
            size.changed().now_or_never().is_some()
        };
        assert!(wakes(1) && !wakes(2) && !wakes(LONG_LOG - 1));
        assert!(wakes(LONG_LOG) && wakes(LONG_LOG + 1));
        assert!(!wakes(3), "SQLite restarted the log by itself, which leaves its text in the file");
        size.reset();
        assert!(wakes(1), "the log was truncated");
    }
}
