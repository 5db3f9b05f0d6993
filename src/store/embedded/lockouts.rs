//! Counts failures and code attempts in memory: only this process uses the database, and no client can restart it. The clock
//! is monotonic, so setting the system clock neither begins nor ends a lockout.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::domain::room::RoomId;
use crate::store::{
    AttemptLimits, AttemptingClient, CodeAttempt, FailureOutcome, FailureRecord, LockoutPolicy, Subject,
    TRUSTED_CLIENTS_MAX,
};

/// Maximum number of subjects; beyond that, the half with the oldest failures is forgotten. This does not help an attacker who
/// guesses a code from many addresses, because each room also counts the wrong codes of all clients together.
const MAX_SUBJECTS: usize = 100_000;

/// Minimum number of rooms before expired ones are removed.
const MIN_ROOMS_TO_SWEEP: usize = 1_024;

/// All counters of the store.
#[derive(Default)]
pub(super) struct Lockouts(Mutex<Counters>);

#[derive(Default)]
struct Counters {
    subjects: HashMap<Subject, Failures>,
    rooms: HashMap<RoomId, CodeAttempts>,
    /// The number of rooms at which expired ones are removed next.
    sweep_at: usize,
    last_record: u64,
}

struct Failures {
    count: u32,
    /// The end of the lockout, and the record of the failure that began it.
    lockout: Option<(Instant, FailureRecord)>,
    forget_at: Instant,
}

struct CodeAttempts {
    wrong: u32,
    /// Address blocks that have used their last attempt.
    exhausted: HashSet<Subject>,
    /// Clients that the room trusts.
    trusted: HashSet<Subject>,
    room_ends: Instant,
}

impl Lockouts {
    pub(super) fn record_failure(&self, subject: Subject, policy: LockoutPolicy) -> FailureOutcome {
        let now = Instant::now();
        let counters = &mut *self.0.lock();
        counters.make_space(now);
        counters.last_record += 1;
        let record = FailureRecord(counters.last_record);
        let forget_at = now + policy.forget_after;
        let new = || Failures { count: 0, lockout: None, forget_at };
        let failures = counters.subjects.entry(subject).or_insert_with(new);
        if failures.forget_at <= now {
            *failures = new();
        }
        if let Some((until, _)) = failures.lockout
            && failures.count >= policy.max_failures
            && now < until
        {
            return FailureOutcome::LockedOut(until - now);
        }
        failures.count = failures.count.saturating_add(1);
        failures.lockout = policy.lockout_after(failures.count).map(|lockout| (now + lockout, record));
        failures.forget_at = forget_at;
        FailureOutcome::Counted(record)
    }

    pub(super) fn undo_failure(&self, subject: Subject, record: FailureRecord) {
        let counters = &mut *self.0.lock();
        let Some(failures) = counters.subjects.get_mut(&subject) else { return };
        failures.count = failures.count.saturating_sub(1);
        failures.lockout = failures.lockout.filter(|(_, began_by)| *began_by != record);
        if failures.count == 0 {
            counters.subjects.remove(&subject);
        }
    }

    /// Counts an attempt at a room that lives for `remaining`.
    pub(super) fn begin_code_attempt(
        &self,
        room: RoomId,
        remaining: Duration,
        client: AttemptingClient,
        limits: Option<AttemptLimits>,
    ) -> CodeAttempt {
        let counters = &mut *self.0.lock();
        let attempts = counters.of_room(room, remaining);
        if attempts.trusted.contains(&client.subject) {
            return CodeAttempt::Known;
        }
        let Some(limits) = limits.filter(|limits| attempts.wrong < limits.total) else {
            return CodeAttempt::Closed(remaining);
        };
        if attempts.wrong >= limits.unrestricted && !attempts.exhausted.insert(client.block) {
            return CodeAttempt::Closed(remaining);
        }
        attempts.wrong += 1;
        CodeAttempt::Counted
    }

    /// Forgets the counters of a room that has ended.
    pub(super) fn forget_room(&self, room: RoomId) {
        self.0.lock().rooms.remove(&room);
    }

    /// Makes a room that lives for `remaining` trust a client.
    pub(super) fn trust_client(&self, room: RoomId, remaining: Duration, client: AttemptingClient, counted: bool) {
        let counters = &mut *self.0.lock();
        let attempts = counters.of_room(room, remaining);
        if counted {
            attempts.wrong = attempts.wrong.saturating_sub(1);
            attempts.exhausted.remove(&client.block);
        }
        if attempts.trusted.len() < TRUSTED_CLIENTS_MAX {
            attempts.trusted.insert(client.subject);
        }
    }
}

impl Counters {
    fn make_space(&mut self, now: Instant) {
        if self.subjects.len() < MAX_SUBJECTS {
            return;
        }
        self.subjects.retain(|_, failures| failures.forget_at > now);
        if self.subjects.len() > MAX_SUBJECTS / 2 {
            let mut forget_at: Vec<_> = self.subjects.values().map(|failures| failures.forget_at).collect();
            let half = forget_at.len() / 2;
            let (_, median, _) = forget_at.select_nth_unstable(half);
            let median = *median;
            self.subjects.retain(|_, failures| failures.forget_at > median);
        }
    }

    fn of_room(&mut self, room: RoomId, remaining: Duration) -> &mut CodeAttempts {
        let now = Instant::now();
        if self.rooms.len() >= self.sweep_at.max(MIN_ROOMS_TO_SWEEP) {
            self.rooms.retain(|_, attempts| attempts.room_ends > now);
            self.sweep_at = self.rooms.len() * 2;
        }
        self.rooms.entry(room).or_insert_with(|| CodeAttempts {
            wrong: 0,
            exhausted: HashSet::new(),
            trusted: HashSet::new(),
            room_ends: now + remaining,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_take_bounded_memory() {
        let (lockouts, policy) = (Lockouts::default(), "10:1m".parse().expect("a policy"));
        for n in 0..MAX_SUBJECTS as u128 * 2 {
            lockouts.record_failure(Subject(n.to_le_bytes()), policy);
        }
        let remembered = lockouts.0.lock().subjects.len();
        assert!((1..=MAX_SUBJECTS).contains(&remembered), "{remembered}");
    }

    #[test]
    fn expired_rooms_are_forgotten() {
        let lockouts = Lockouts::default();
        let client = AttemptingClient { subject: Subject([0; 16]), block: Subject([1; 16]) };
        for _ in 0..MIN_ROOMS_TO_SWEEP * 3 {
            lockouts.trust_client(RoomId::random(), Duration::ZERO, client, false);
        }
        assert!(lockouts.0.lock().rooms.len() <= MIN_ROOMS_TO_SWEEP);
    }
}
