//! What an error of the database means to the service.

use rusqlite::ErrorCode;

use crate::store::{BoxError, StoreError};

/// The meaning of an error, with the error as its source.
pub(super) fn from_sqlite(error: rusqlite::Error) -> StoreError {
    if is_corrupt(&error) { StoreError::Corrupt(error.into()) } else { StoreError::Unavailable(error.into()) }
}

/// What undid a whole batch of changes.
#[derive(Debug, thiserror::Error)]
pub(super) enum Undone {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// With what it said in the log.
    #[error("one of the changes written together panicked")]
    Panic,
}

/// What it means for each change of a batch that it was undone. After a panic that is for those that had no part in it.
pub(super) fn from_batch(undone: &Undone) -> StoreError {
    let source: BoxError = undone.to_string().into();
    match undone {
        Undone::Database(error) if is_corrupt(error) => StoreError::Corrupt(source),
        Undone::Database(_) | Undone::Panic => StoreError::Unavailable(source),
    }
}

/// What it means for somebody whose own reading or change panicked.
pub(super) fn panicked() -> StoreError {
    StoreError::Corrupt("a reading or a change panicked".into())
}

/// Whether it is the data that is wrong, not the disk, the space or the permission.
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
