//! Reading: a few connections of their own, each answer from one instant, off the threads that serve sockets.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::domain::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::embedded::clock::Clock;
use crate::store::embedded::error;
use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::read_gate::ReadGate;
use crate::store::embedded::writer::Outcome;

/// Readings under way at once; more wait in line.
const CONNECTIONS: usize = 4;

/// A small pool of reading connections, opened when first needed.
#[derive(Clone, Debug)]
pub(super) struct Readers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Arc<DatabaseFile>,
    clock: Clock,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    gate: Arc<ReadGate>,
}

impl Readers {
    /// Readings pass `gate`.
    pub(super) fn of(file: Arc<DatabaseFile>, clock: Clock, gate: Arc<ReadGate>) -> Self {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        Self(Arc::new(Inner { file, clock, idle: Mutex::default(), permits, gate }))
    }

    /// Runs `work` on one instant of the database.
    pub(super) async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection, Timestamp) -> Outcome<T> + Send + 'static,
    {
        let inner = Arc::clone(&self.0);
        let permit = Arc::clone(&inner.permits).acquire_owned().await.map_err(|e| StoreError::Unavailable(e.into()))?;
        let reading = tokio::task::spawn_blocking(move || {
            let outcome = inner.read(work);
            drop(permit);
            outcome
        });
        // The words of a panic may be those of a message, so they go no further than its own line in the log.
        let outcome = reading.await.map_err(|error| match error.is_panic() {
            true => error::panicked(),
            false => StoreError::Unavailable(error.into()),
        })?;
        outcome.map_err(error::from_sqlite)?
    }
}

impl Inner {
    fn read<T>(&self, work: impl FnOnce(&Connection, Timestamp) -> Outcome<T>) -> Outcome<T> {
        // Held only to take or give back a connection; a panic in between leaves a valid list.
        let idle = || self.idle.lock();
        let taken = idle().pop();
        let mut connection = taken.map_or_else(|| self.file.reader(), Ok)?;
        let reading = self.gate.enter();
        let transaction = connection.transaction()?;
        let outcome = work(&transaction, self.clock.now())?;
        drop(transaction);
        drop(reading);
        idle().push(connection);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reading_that_panics_says_nothing_of_what_it_read_and_the_next_ones_are_answered() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, _connection) = DatabaseFile::take(directory.path()).expect("a database");
        let readers = Readers::of(Arc::new(file), Clock::set_now(), Arc::default());
        for _ in 0..=CONNECTIONS {
            let panicking = readers.read(|_, _| -> Outcome<()> { panic!("open sesame") }).await;
            let Err(StoreError::Corrupt(source)) = panicking else { panic!("{panicking:?}") };
            assert!(!source.to_string().contains("sesame"), "{source}");
        }
        assert!(matches!(readers.read(|_, _| Ok(Ok(7))).await, Ok(7)));
    }
}
