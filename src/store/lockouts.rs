//! Failure counters with their lockout policies, and the types of attempts at the code of a room: clause 11 of the contract.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;

use crate::store::StoreError;

/// Counts failures for all nodes together, and locks out the subjects that have too many. Part of every
/// [`Store`](super::Store), under clause 11 of its contract.
#[async_trait]
pub trait FailureCounters: Send + Sync + 'static {
    /// Counts a failure of `subject`, unless it is locked out. The failure that reaches the limit locks it out.
    async fn record_failure(&self, subject: Subject, policy: LockoutPolicy) -> Result<FailureOutcome, StoreError>;

    /// Undoes a counted failure, and the lockout that it began.
    async fn undo_failure(&self, subject: Subject, record: FailureRecord) -> Result<(), StoreError>;
}

/// The subject whose failures are counted: a digest of an address, or of a user and an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject(pub [u8; 16]);

/// A client that tries the code of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptingClient {
    /// The client as the room knows it.
    pub subject: Subject,
    /// The address block with which it shares the last attempt.
    pub block: Subject,
}

/// How failures lead to a lockout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutPolicy {
    /// The failure with this number begins the first lockout.
    pub max_failures: u32,
    /// The length of the first lockout. Each further failure begins one that is twice as long.
    pub first: Duration,
    /// The maximum length of a lockout.
    pub longest: Duration,
    /// The time without a failure after which all failures are forgotten.
    pub forget_after: Duration,
}

impl LockoutPolicy {
    const LONGEST: Duration = Duration::from_secs(3_600);
    const FORGET_AFTER: Duration = Duration::from_secs(24 * 3_600);

    /// The length of the lockout that the failure with number `count` begins.
    pub fn lockout_after(&self, count: u32) -> Option<Duration> {
        let doublings = count.checked_sub(self.max_failures)?;
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        Some(self.first.saturating_mul(factor).min(self.longest))
    }
}

/// Text that is not a lockout policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidLockoutPolicy;

/// Parses a policy from a setting: `10:1m` begins a lockout of one minute at the tenth failure. Lockouts grow up to an hour,
/// and failures are forgotten after a day.
impl FromStr for LockoutPolicy {
    type Err = InvalidLockoutPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidLockoutPolicy> {
        let (failures, first) = text.split_once(':').ok_or(InvalidLockoutPolicy)?;
        let failures = failures.parse().ok().filter(|failures| (1..=1_000_000).contains(failures));
        let is_valid = |first: &Duration| (Duration::from_secs(1)..=Self::LONGEST).contains(first);
        let first = humantime::parse_duration(first).ok().filter(is_valid);
        Ok(Self {
            max_failures: failures.ok_or(InvalidLockoutPolicy)?,
            first: first.ok_or(InvalidLockoutPolicy)?,
            longest: Self::LONGEST,
            forget_after: Self::FORGET_AFTER,
        })
    }
}

/// The result of [`FailureCounters::record_failure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureOutcome {
    /// The failure was counted; the record undoes it.
    Counted(FailureRecord),
    /// Nothing was counted: the subject is still locked out for this duration.
    LockedOut(Duration),
}

/// Identifies a counted failure. Only the store understands the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureRecord(pub u64);

/// How many wrong codes a room accepts in its life, from all untrusted clients together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Wrong codes after which each address block has one more attempt.
    pub unrestricted: u32,
    /// Wrong codes after which no untrusted client has an attempt left.
    pub total: u32,
}

/// The result of [`Store::begin_code_attempt`](super::Store::begin_code_attempt).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeAttempt {
    /// Nothing was counted: the room trusts the client.
    Known,
    /// A wrong code was counted; the code may be checked now.
    Counted,
    /// Nothing was counted: the client has no attempt left in this room, which lives for this duration.
    Closed(Duration),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lockout_policy_is_parsed() {
        let policy: LockoutPolicy = "10:1m".parse().expect("a policy");
        assert_eq!((policy.max_failures, policy.first), (10, Duration::from_secs(60)));
        for text in ["", "10", "0:1m", "1:0s", "1:2h", "1:x"] {
            assert_eq!(text.parse::<LockoutPolicy>(), Err(InvalidLockoutPolicy), "{text}");
        }
    }

    #[test]
    fn a_lockout_doubles_up_to_the_longest() {
        let policy: LockoutPolicy = "10:1m".parse().expect("a policy");
        let minutes: Vec<_> =
            (9..20).map(|count| policy.lockout_after(count).map(|span| span.as_secs() / 60)).collect();
        assert_eq!(minutes[..7], [None, Some(1), Some(2), Some(4), Some(8), Some(16), Some(32)]);
        assert!(minutes[7..].iter().all(|minutes| *minutes == Some(60)));
        assert_eq!(policy.lockout_after(u32::MAX), Some(policy.longest));
    }
}
