//! The limit of open files, and the number of connections that fit within it. Each connection is one file.

/// Files kept for other uses than client connections, at least: the database, connections to Redis, the log.
const RESERVE_MIN: u64 = 64;
/// Files kept for other uses, at most.
const RESERVE_MAX: u64 = 1_024;

/// Maximum number of connections by default, however many files may be open: memory is limited, too.
pub const DEFAULT_CONNECTIONS_MAX: usize = 100_000;

/// Raises the soft limit to the hard limit, as far as that is allowed, and returns the new limit.
fn raise_limit() -> std::io::Result<u64> {
    rlimit::increase_nofile_limit(u64::MAX).or_else(|_| rlimit::Resource::NOFILE.get_soft())
}

/// Raises the limit of open files, and returns how many connections fit within it; [`DEFAULT_CONNECTIONS_MAX`] at most.
pub fn connections_that_fit() -> usize {
    raise_limit().map_or(DEFAULT_CONNECTIONS_MAX, connections_within)
}

fn connections_within(limit: u64) -> usize {
    let reserve = (limit / 16).clamp(RESERVE_MIN, RESERVE_MAX);
    usize::try_from(limit.saturating_sub(reserve)).unwrap_or(usize::MAX).clamp(1, DEFAULT_CONNECTIONS_MAX)
}

/// Raises the limit of open files, and warns if so many connections do not fit within it.
pub fn raise_limit_for(connections: usize) {
    match raise_limit() {
        Ok(limit) if limit < (connections as u64).saturating_add(RESERVE_MIN) => tracing::warn!(
            limit,
            MAX_CONNECTIONS = connections,
            "the limit of open files is too low for MAX_CONNECTIONS; raise the hard limit of open files \
             (LimitNOFILE, ulimit -Hn), or lower MAX_CONNECTIONS"
        ),
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_files_are_kept_for_the_server_itself() {
        for (limit, connections) in [(0, 1), (256, 192), (1_024, 960), (65_536, 64_512), (u64::MAX, 100_000)] {
            assert_eq!(connections_within(limit), connections, "{limit}");
        }
    }
}
