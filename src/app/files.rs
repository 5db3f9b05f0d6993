//! How many files this process may have open: every connection is one.

/// Files that are none of a client's: the database, connections to Redis, the log.
const OTHERS: u64 = 64;

/// Raises the soft limit to the hard one, and says so when `connections` are more than that allows.
pub(super) fn allow(connections: usize) {
    match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(limit) if limit < (connections as u64).saturating_add(OTHERS) => tracing::warn!(
            limit,
            MAX_CONNECTIONS = connections,
            "this process may have fewer files open than MAX_CONNECTIONS asks for; raise the hard limit of open files \
             (LimitNOFILE, ulimit -Hn), or lower MAX_CONNECTIONS"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}
