//! The words of clause 11: whose misses are counted, how long they shut somebody out, and who may still guess the code of
//! a room.

use std::time::Duration;

/// Whose misses are counted: a digest of an address, or of a user and an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subject(pub [u8; 16]);

/// Who brings a code to a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptingClient {
    /// By which the room knows them.
    pub subject: Subject,
    /// With whom they share the last guess.
    pub block: Subject,
}

/// How misses lead to a lock-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lockout {
    /// Misses until the first lock-out.
    pub free: u32,
    /// How long the first one lasts. Each further miss brings one of twice the length.
    pub first: Duration,
    /// How long one lasts at most.
    pub longest: Duration,
    /// All is forgotten when so long nothing was counted.
    pub forgotten_after: Duration,
}

impl Lockout {
    /// How long the miss shuts out that is number `count`.
    pub fn span(&self, count: u32) -> Option<Duration> {
        let doublings = count.checked_sub(self.free)?;
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        Some(self.first.saturating_mul(factor).min(self.longest))
    }
}

/// What [`Store::record_failure`](super::Store::record_failure) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureOutcome {
    /// A miss was counted; the record takes it back.
    Counted(FailureRecord),
    /// Nothing was counted: the subject is locked out for so long.
    LockedOut(Duration),
}

/// Names the lock-out that a counted miss began, by a number that means something to the store only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureRecord(pub u64);

/// How many wrong codes a room bears in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimits {
    /// After so many, every block of strangers has one guess left.
    pub open: u32,
    /// After so many, no stranger has any.
    pub last: u32,
}

/// What [`Store::begin_code_attempt`](super::Store::begin_code_attempt) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeAttempt {
    /// Nothing was counted: the subject has opened this room before.
    Known,
    /// A wrong code was counted, before anybody looked at it.
    Counted,
    /// Nothing was counted: the subject has no guess here for so long.
    Closed(Duration),
}
