//! A gate that readings of this process pass, so that the writer can let those under way end before it empties the
//! write-ahead log.

use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Open, unless the writer holds it closed.
#[derive(Debug, Default)]
pub(super) struct ReadGate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    readings: usize,
    is_closed: bool,
}

/// A reading under way, until dropped.
pub(super) struct Reading<'a>(&'a ReadGate);

/// The gate closed, until dropped.
pub(super) struct Closed<'a>(&'a ReadGate);

impl ReadGate {
    /// Begins a reading; waits while the gate is closed.
    pub(super) fn enter(&self) -> Reading<'_> {
        let mut state = self.lock();
        self.changed.wait_while(&mut state, |state| state.is_closed);
        state.readings += 1;
        Reading(self)
    }

    /// Lets no further reading begin, and waits until none is under way, for `patience` at most. Closed by one at a time.
    pub(super) fn close(&self, patience: Duration) -> Closed<'_> {
        let mut state = self.lock();
        state.is_closed = true;
        self.changed.wait_while_for(&mut state, |state| state.readings > 0, patience);
        drop(state);
        Closed(self)
    }

    /// Held for a few instructions only, so a panic leaves a valid state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.readings -= 1;
        if state.readings == 0 {
            self.0.changed.notify_all();
        }
    }
}

impl Drop for Closed<'_> {
    fn drop(&mut self) {
        self.0.lock().is_closed = false;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn closing_waits_for_readings_but_not_forever_and_no_reading_begins_meanwhile() {
        let gate = ReadGate::default();
        let reading = gate.enter();
        let began = Instant::now();
        drop(gate.close(Duration::from_millis(50)));
        assert!(began.elapsed() >= Duration::from_millis(50), "a reading was under way");
        std::thread::scope(|scope| {
            let closed = gate.close(Duration::ZERO);
            let late = scope.spawn(|| drop(gate.enter()));
            drop(reading);
            std::thread::sleep(Duration::from_millis(20));
            assert!(!late.is_finished(), "a reading began behind a closed gate");
            drop(closed);
        });
        let began = Instant::now();
        drop(gate.close(Duration::from_secs(60)));
        assert!(began.elapsed() < Duration::from_secs(30), "no reading was under way");
    }
}
