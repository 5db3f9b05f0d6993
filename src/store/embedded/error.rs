//! Maps SQLite errors to [`StoreError`]s.

use rusqlite::ErrorCode;

use crate::store::{BoxError, StoreError};

/// Maps an error and keeps it as the source.
pub(super) fn from_sqlite(error: rusqlite::Error) -> StoreError {
    if is_corrupt(&error) { StoreError::Corrupt(error.into()) } else { StoreError::Unavailable(error.into()) }
}

/// Why a batch of writes was rolled back.
#[derive(Debug, thiserror::Error)]
pub(super) enum RollbackCause {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// The panic hook has already logged the panic.
    #[error("one of the writes in the batch panicked")]
    Panic,
}

/// The error of each write in a batch that was rolled back. After a panic, this is for the writes that did not panic.
pub(super) fn from_rollback(cause: &RollbackCause) -> StoreError {
    let source: BoxError = cause.to_string().into();
    match cause {
        RollbackCause::Database(error) if is_corrupt(error) => StoreError::Corrupt(source),
        RollbackCause::Database(_) | RollbackCause::Panic => StoreError::Unavailable(source),
    }
}

/// The error of a read or write that panicked.
pub(super) fn panicked() -> StoreError {
    StoreError::Corrupt("a read or a write panicked".into())
}

/// Whether the data is wrong, rather than the disk, the space or the permissions.
fn is_corrupt(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
        ),
        _ => true,
    }
}
