//! The read connections: a small pool, each read from one instant of the database, on blocking threads.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::domain::timestamp::Timestamp;
use crate::store::StoreError;
use crate::store::embedded::error;
use crate::store::embedded::writer::Shared;

/// Maximum number of concurrent reads; more wait.
const CONNECTIONS: usize = 4;

/// A pool of read connections, opened when first needed.
#[derive(Debug)]
pub(super) struct ReaderPool {
    shared: Arc<Shared>,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl ReaderPool {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, idle: Arc::default(), permits: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    /// Runs `work` on one instant of the database.
    pub(super) async fn read<T, W>(&self, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection, Timestamp) -> Result<T, StoreError> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|e| StoreError::Unavailable(e.into()))?;
        let (shared, idle) = (Arc::clone(&self.shared), Arc::clone(&self.idle));
        let task = tokio::task::spawn_blocking(move || {
            let outcome = read(&shared, &idle, work);
            drop(permit);
            outcome
        });
        task.await.map_err(|error| match error.is_panic() {
            true => error::panicked(),
            false => StoreError::Unavailable(error.into()),
        })?
    }
}

fn read<T>(
    shared: &Shared,
    idle: &Mutex<Vec<Connection>>,
    work: impl FnOnce(&Connection, Timestamp) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let connection = idle.lock().pop();
    let mut connection = connection.map_or_else(|| shared.file.open_reader(), Ok)?;
    let guard = shared.gate.read();
    let transaction = connection.transaction()?;
    let outcome = work(&transaction, shared.clock.now());
    drop(transaction);
    drop(guard);
    // A connection that failed is closed. The next one is opened only if the database is still in its place.
    if !outcome.as_ref().is_err_and(StoreError::is_failure) {
        idle.lock().push(connection);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::file::DatabaseFile;

    #[tokio::test]
    async fn a_panicking_read_reveals_nothing_and_later_reads_succeed() {
        let directory = tempfile::tempdir().expect("a directory");
        let (file, connection) = DatabaseFile::open_or_create(directory.path()).expect("a database");
        let readers = ReaderPool::new(Arc::new(Shared::new(file, &connection).expect("a database")));
        for _ in 0..=CONNECTIONS {
            let panicking = readers.read(|_, _| -> Result<(), StoreError> { panic!("open sesame") }).await;
            let Err(StoreError::Corrupt(source)) = panicking else { panic!("{panicking:?}") };
            assert!(!source.to_string().contains("sesame"), "{source}");
        }
        assert!(matches!(readers.read(|_, _| Ok(7)).await, Ok(7)));
    }
}
