//! Maps errors of Redis to [`StoreError`]s. Errors at start are in `connect_error`.

use std::io;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::store::{BoxError, StoreError};

/// Redis did not reply in time.
#[derive(Debug, thiserror::Error)]
#[error("Redis did not reply within {0:?}")]
pub struct TimedOut(pub Duration);

/// A permission was revoked after the start.
#[derive(Debug, thiserror::Error)]
#[error("the Redis user lacks a permission; docs/operations.md has the ACL line that grants all of them")]
pub struct PermissionDenied(#[source] pub RedisError);

/// Converts the error of a command. `ERR` and `WRONGTYPE` are defects of a script or of the data; most others are outages.
pub fn to_store_error(error: RedisError) -> StoreError {
    let is_defect = match error.kind() {
        ErrorKind::UnexpectedReturnType | ErrorKind::Server(ServerErrorKind::CrossSlot) => true,
        ErrorKind::Server(ServerErrorKind::ResponseError) => !is_wrapped_outage(&error),
        ErrorKind::Extension => error.code() == Some("WRONGTYPE"),
        _ => false,
    };
    if is_permission_denied(&error) {
        return StoreError::Unavailable(Box::new(PermissionDenied(error)));
    }
    if is_defect { StoreError::Corrupt(Box::new(error)) } else { StoreError::Unavailable(Box::new(error)) }
}

/// An outage with this cause.
pub fn unavailable(cause: impl Into<BoxError>) -> StoreError {
    StoreError::Unavailable(cause.into())
}

/// A timeout as the driver reports it.
pub fn timed_out() -> RedisError {
    io::Error::from(io::ErrorKind::TimedOut).into()
}

/// Whether the user lacks a permission. Redis wraps the error of a command inside a script; the words depend on its version.
pub fn is_permission_denied(error: &RedisError) -> bool {
    const IN_SCRIPTS: [&str; 3] = ["ser executing the script", "ACL failure in script", "-NOPERM "];
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoPerm))
        || IN_SCRIPTS.iter().any(|words| detail_contains(error, words))
}

/// Whether an `ERR` stands for an outage. Before version 7, Redis reports any error of a command inside a script as `ERR`.
pub fn is_wrapped_outage(error: &RedisError) -> bool {
    const OUTAGES: [&str; 8] = [
        "-OOM ",
        "-READONLY ",
        "-MISCONF ",
        "-LOADING ",
        "-NOREPLICAS ",
        "-MASTERDOWN ",
        "-CLUSTERDOWN ",
        "max number of clients",
    ];
    OUTAGES.iter().any(|outage| detail_contains(error, outage))
}

/// Whether a cluster reports that it serves no commands now.
pub fn is_cluster_down(error: &StoreError) -> bool {
    let StoreError::Unavailable(cause) = error else { return false };
    let kind = cause.downcast_ref::<RedisError>().map(RedisError::kind);
    matches!(kind, Some(ErrorKind::Server(ServerErrorKind::ClusterDown)))
}

pub fn detail_contains(error: &RedisError, words: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outages_are_unavailable_and_defects_are_corrupt() {
        let error = |kind: ServerErrorKind, detail: &str| {
            to_store_error(RedisError::from((ErrorKind::Server(kind), "", detail.to_owned())))
        };
        let wrapped = "Error running script: @user_script: 36: -OOM command not allowed";
        assert!(matches!(error(ServerErrorKind::ResponseError, wrapped), StoreError::Unavailable(_)));
        assert!(matches!(error(ServerErrorKind::ReadOnly, ""), StoreError::Unavailable(_)));
        assert!(matches!(error(ServerErrorKind::BusyLoading, ""), StoreError::Unavailable(_)));
        assert!(matches!(error(ServerErrorKind::ResponseError, "attempt to index nil"), StoreError::Corrupt(_)));
    }
}
