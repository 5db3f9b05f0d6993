//! The write-ahead log as SQLite tells of it: how long it is, and how much of it has been copied into the database.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;
use tokio::sync::Notify;

/// Frames, of a page of 4 KiB each, from which on the log is copied.
pub(super) const LONG: u32 = 4_000;

thread_local! {
    /// SQLite tells a plain function, which has no other place to keep it.
    static FRAMES: Cell<u32> = const { Cell::new(0) };
}

/// Lets the calling thread know how long the log is after each transaction of `connection`, which stays on that thread.
pub(super) fn count_frames(connection: &Connection) {
    connection.wal_hook(Some(|_, frames| {
        FRAMES.set(frames.unsigned_abs());
        Ok(())
    }));
}

/// How long the log is, told by the one thread that writes.
#[derive(Debug, Default)]
pub(super) struct WalSize {
    frames: AtomicU32,
    changed: Notify,
}

impl WalSize {
    /// Tells how long it is after what the calling thread has just written. Whoever waits is woken when the log was begun, and
    /// when it is long.
    pub(super) fn tell(&self) {
        let frames = FRAMES.get();
        let before = self.frames.swap(frames, Ordering::Relaxed);
        if before == 0 || frames >= LONG {
            self.changed.notify_one();
        }
    }

    /// Takes note that the calling thread begins it anew.
    pub(super) fn restart(&self) {
        FRAMES.set(0);
        self.frames.store(0, Ordering::Relaxed);
    }

    /// Frames, each a page, after the last transaction.
    pub(super) fn frames(&self) -> u32 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Waits until, since the last call, something was written to a log that was empty or to one that is long.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

/// How much of the log is in the database, in frames.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copied {
    pub(super) done: i64,
    pub(super) left: i64,
}

/// What becomes of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checkpoint {
    /// It is copied as far as readers allow.
    Copy,
    /// It is copied whole and begun anew, in the same file, which keeps what it holds until that is overwritten.
    Restart,
    /// It is copied whole and its file emptied.
    Empty,
}

/// Does so; `None` when somebody is in the way, longer than the connection's busy timeout.
pub(super) fn checkpoint(connection: &Connection, how: Checkpoint) -> rusqlite::Result<Option<Copied>> {
    let mode = match how {
        Checkpoint::Copy => "PASSIVE",
        Checkpoint::Restart => "RESTART",
        Checkpoint::Empty => "TRUNCATE",
    };
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
        let (is_busy, log, copied): (bool, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok((!is_busy).then_some(Copied { done: copied, left: log.saturating_sub(copied) }))
    })
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn whoever_waits_is_woken_by_a_log_that_was_begun_and_by_one_that_is_long() {
        let size = WalSize::default();
        let wakes = |frames| {
            FRAMES.set(frames);
            size.tell();
            size.changed().now_or_never().is_some()
        };
        assert!(wakes(1) && !wakes(2) && !wakes(LONG - 1));
        assert!(wakes(LONG) && wakes(LONG + 1));
        assert!(!wakes(3), "SQLite began it anew by itself, which leaves its text where it was");
        size.restart();
        assert!(wakes(1), "it was emptied");
    }
}
