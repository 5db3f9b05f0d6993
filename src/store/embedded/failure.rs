//! What an error of the database means to the service.

use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::store::{BoxError, StoreError};

/// The meaning of an error, with the error as its source.
pub(super) fn from_sqlite(error: rusqlite::Error) -> StoreError {
    if is_corrupt(&error) { StoreError::Corrupt(error.into()) } else { StoreError::Unavailable(error.into()) }
}

/// The meaning of an error that undid a whole batch, for each change of the batch.
pub(super) fn from_batch(error: &Arc<rusqlite::Error>) -> StoreError {
    let source: BoxError = error.to_string().into();
    if is_corrupt(error) { StoreError::Corrupt(source) } else { StoreError::Unavailable(source) }
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
