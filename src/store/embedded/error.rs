//! Maps SQLite errors to [`StoreError`]s.

use std::error::Error as _;

use rusqlite::ErrorCode;

use crate::store::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        // Whether the data is wrong, rather than the disk, the space or the permissions.
        let is_corrupt = match &error {
            rusqlite::Error::SqliteFailure(failure, _) => matches!(
                failure.code,
                ErrorCode::DatabaseCorrupt
                    | ErrorCode::NotADatabase
                    | ErrorCode::ConstraintViolation
                    | ErrorCode::TypeMismatch
            ),
            _ => true,
        };
        if is_corrupt { Self::Corrupt(error.into()) } else { Self::Unavailable(error.into()) }
    }
}

/// A copy of a failure, for each other write of the batch that it rolled back.
pub(super) fn copy(failure: &StoreError) -> StoreError {
    let source = failure.source().map_or_else(|| failure.to_string(), ToString::to_string).into();
    match failure {
        StoreError::Corrupt(_) => StoreError::Corrupt(source),
        _ => StoreError::Unavailable(source),
    }
}

/// The error of a read or write that panicked. The panic message may contain the text of a message, so it is left out.
pub(super) fn panicked() -> StoreError {
    StoreError::Corrupt("a read or a write panicked".into())
}
