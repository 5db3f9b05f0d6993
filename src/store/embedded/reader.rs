//! The read connections: a small pool, each read from one instant of the database, on blocking threads.

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

/// Maximum number of concurrent reads; more wait.
const CONNECTIONS: usize = 4;

/// A pool of read connections, opened when first needed.
#[derive(Clone, Debug)]
pub(super) struct ReaderPool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Arc<DatabaseFile>,
    clock: Clock,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    gate: Arc<ReadGate>,
}

impl ReaderPool {
    /// A pool whose reads pass `gate`.
    pub(super) fn new(file: Arc<DatabaseFile>, clock: Clock, gate: Arc<ReadGate>) -> Self {
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
        let task = tokio::task::spawn_blocking(move || {
            let outcome = inner.read(work);
            drop(permit);
            outcome
        });
        // A panic message may contain the text of a message, so it does not become part of the error.
        let outcome = task.await.map_err(|error| match error.is_panic() {
            true => error::panicked(),
            false => StoreError::Unavailable(error.into()),
        })?;
        outcome.map_err(error::from_sqlite)?
    }
}

impl Inner {
    fn read<T>(&self, work: impl FnOnce(&Connection, Timestamp) -> Outcome<T>) -> Outcome<T> {
        let idle = self.idle.lock().pop();
        let mut connection = idle.map_or_else(|| self.file.open_reader(), Ok)?;
        let guard = self.gate.enter();
        let transaction = connection.transaction()?;
        let outcome = work(&transaction, self.clock.now())?;
        drop(transaction);
        drop(guard);
        self.idle.lock().push(connection);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panicking_read_reveals_nothing_and_later_reads_succeed() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, _connection) = DatabaseFile::open_or_create(directory.path()).expect("a database");
        let readers = ReaderPool::new(Arc::new(file), Clock::start(), Arc::default());
        for _ in 0..=CONNECTIONS {
            let panicking = readers.read(|_, _| -> Outcome<()> { panic!("open sesame") }).await;
            let Err(StoreError::Corrupt(source)) = panicking else { panic!("{panicking:?}") };
            assert!(!source.to_string().contains("sesame"), "{source}");
        }
        assert!(matches!(readers.read(|_, _| Ok(Ok(7))).await, Ok(7)));
    }
}
