//! Misses and guesses, counted in memory: the database is for one process, and who guesses cannot end that process.
//! Time is a monotonic clock's, so setting the system's clock frees nobody and locks nobody out.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

use crate::domain::room::RoomId;
use crate::store::{
    AttemptLimits, AttemptingClient, CodeAttempt, FailureOutcome, FailureRecord, KNOWN_MAX, Lockout, Subject,
};

/// Subjects that are remembered. Past it, the half that struck longest ago is forgotten; what bounds the guessing of a
/// code over many addresses is the room's count, which is never forgotten while the room lives.
const SUBJECTS_MAX: usize = 100_000;

/// Rooms below which looking for ended ones is not worth it.
const ROOMS_UNSWEPT: usize = 1_024;

/// All counters of the store.
#[derive(Default)]
pub(super) struct Strikes(Mutex<Counters>);

#[derive(Default)]
struct Counters {
    subjects: HashMap<Subject, Misses>,
    rooms: HashMap<RoomId, Guesses>,
    /// Rooms at which the ended ones are looked for again.
    sweep_at: usize,
    tickets: u64,
}

struct Misses {
    count: u32,
    /// The end of the lock-out, and the record of the miss that began it.
    locked: Option<(Instant, FailureRecord)>,
    forgotten_at: Instant,
}

struct Guesses {
    wrong: u32,
    had_their_last: HashSet<Subject>,
    known: HashSet<Subject>,
    ends: Instant,
}

impl Strikes {
    pub(super) fn record_failure(&self, subject: Subject, lockout: Lockout) -> FailureOutcome {
        let now = Instant::now();
        let counters = &mut *self.lock();
        counters.make_space(now);
        counters.tickets += 1;
        let record = FailureRecord(counters.tickets);
        let forgotten_at = now + lockout.forgotten_after;
        let fresh = || Misses { count: 0, locked: None, forgotten_at };
        let misses = counters.subjects.entry(subject).or_insert_with(fresh);
        if misses.forgotten_at <= now {
            *misses = fresh();
        }
        if let Some((until, _)) = misses.locked
            && misses.count >= lockout.free
            && now < until
        {
            return FailureOutcome::LockedOut(until - now);
        }
        misses.count = misses.count.saturating_add(1);
        misses.locked = lockout.span(misses.count).map(|span| (now + span, record));
        misses.forgotten_at = forgotten_at;
        FailureOutcome::Counted(record)
    }

    pub(super) fn undo_failure(&self, subject: Subject, record: FailureRecord) {
        let counters = &mut *self.lock();
        let Some(misses) = counters.subjects.get_mut(&subject) else { return };
        misses.count = misses.count.saturating_sub(1);
        misses.locked = misses.locked.filter(|(_, began_by)| *began_by != record);
        if misses.count == 0 {
            counters.subjects.remove(&subject);
        }
    }

    /// Counts for a room that lives for `left`.
    pub(super) fn begin_code_attempt(
        &self,
        room: RoomId,
        left: Duration,
        guesser: AttemptingClient,
        limits: Option<AttemptLimits>,
    ) -> CodeAttempt {
        let counters = &mut *self.lock();
        let guesses = counters.of_room(room, left);
        if guesses.known.contains(&guesser.subject) {
            return CodeAttempt::Known;
        }
        let Some(limits) = limits.filter(|limits| guesses.wrong < limits.last) else {
            return CodeAttempt::Closed(left);
        };
        if guesses.wrong >= limits.open && !guesses.had_their_last.insert(guesser.block) {
            return CodeAttempt::Closed(left);
        }
        guesses.wrong += 1;
        CodeAttempt::Counted
    }

    /// Makes known to a room that lives for `left`.
    pub(super) fn trust_client(&self, room: RoomId, left: Duration, guesser: AttemptingClient, counted: bool) {
        let counters = &mut *self.lock();
        let guesses = counters.of_room(room, left);
        if counted {
            guesses.wrong = guesses.wrong.saturating_sub(1);
            guesses.had_their_last.remove(&guesser.block);
        }
        if guesses.known.len() < KNOWN_MAX {
            guesses.known.insert(guesser.subject);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counters> {
        self.0.lock()
    }
}

impl Counters {
    fn make_space(&mut self, now: Instant) {
        if self.subjects.len() < SUBJECTS_MAX {
            return;
        }
        self.subjects.retain(|_, misses| misses.forgotten_at > now);
        if self.subjects.len() > SUBJECTS_MAX / 2 {
            let mut ages: Vec<_> = self.subjects.values().map(|misses| misses.forgotten_at).collect();
            let half = ages.len() / 2;
            let (_, median, _) = ages.select_nth_unstable(half);
            let median = *median;
            self.subjects.retain(|_, misses| misses.forgotten_at > median);
        }
    }

    fn of_room(&mut self, room: RoomId, left: Duration) -> &mut Guesses {
        let now = Instant::now();
        if self.rooms.len() >= self.sweep_at.max(ROOMS_UNSWEPT) {
            self.rooms.retain(|_, guesses| guesses.ends > now);
            self.sweep_at = self.rooms.len() * 2;
        }
        self.rooms.entry(room).or_insert_with(|| Guesses {
            wrong: 0,
            had_their_last: HashSet::new(),
            known: HashSet::new(),
            ends: now + left,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCKOUT: Lockout = Lockout {
        free: 10,
        first: Duration::from_secs(60),
        longest: Duration::from_secs(3_600),
        forgotten_after: Duration::from_secs(86_400),
    };

    #[test]
    fn many_subjects_take_a_bounded_space() {
        let strikes = Strikes::default();
        for n in 0..SUBJECTS_MAX as u128 * 2 {
            strikes.record_failure(Subject(n.to_le_bytes()), LOCKOUT);
        }
        let remembered = strikes.lock().subjects.len();
        assert!((1..=SUBJECTS_MAX).contains(&remembered), "{remembered}");
    }

    #[test]
    fn rooms_that_have_ended_are_forgotten() {
        let strikes = Strikes::default();
        let guesser = AttemptingClient { subject: Subject([0; 16]), block: Subject([1; 16]) };
        for _ in 0..ROOMS_UNSWEPT * 3 {
            strikes.trust_client(RoomId::random(), Duration::ZERO, guesser, false);
        }
        assert!(strikes.lock().rooms.len() <= ROOMS_UNSWEPT);
    }

    #[test]
    fn a_lockout_doubles_up_to_the_longest() {
        let spans: Vec<_> = (9..20).map(|count| LOCKOUT.span(count).map(|span| span.as_secs() / 60)).collect();
        let minutes = [None, Some(1), Some(2), Some(4), Some(8), Some(16), Some(32)];
        assert_eq!(spans[..7], minutes);
        assert!(spans[7..].iter().all(|span| *span == Some(60)));
        assert_eq!(LOCKOUT.span(u32::MAX), Some(LOCKOUT.longest));
    }
}
