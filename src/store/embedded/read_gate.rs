//! A gate that every read in this process passes, so that the writer can wait for running reads before it truncates the
//! write-ahead log.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

/// Open, unless the writer holds it closed.
#[derive(Debug, Default)]
pub(super) struct ReadGate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    running_reads: usize,
    is_closed: bool,
}

/// A running read, until dropped.
pub(super) struct ReadGuard<'a>(&'a ReadGate);

/// Keeps the gate closed until dropped.
pub(super) struct ClosedGuard<'a>(&'a ReadGate);

impl ReadGate {
    /// Begins a read; waits while the gate is closed.
    pub(super) fn enter(&self) -> ReadGuard<'_> {
        let mut state = self.state.lock();
        self.changed.wait_while(&mut state, |state| state.is_closed);
        state.running_reads += 1;
        ReadGuard(self)
    }

    /// Closes the gate and waits until no read is running, but no longer than `timeout`. Only one caller at a time may close
    /// the gate.
    pub(super) fn close(&self, timeout: Duration) -> ClosedGuard<'_> {
        let mut state = self.state.lock();
        state.is_closed = true;
        self.changed.wait_while_for(&mut state, |state| state.running_reads > 0, timeout);
        drop(state);
        ClosedGuard(self)
    }
}

impl Drop for ReadGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.running_reads -= 1;
        if state.running_reads == 0 {
            self.0.changed.notify_all();
        }
    }
}

impl Drop for ClosedGuard<'_> {
    fn drop(&mut self) {
        self.0.state.lock().is_closed = false;
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn closing_waits_for_running_reads_up_to_the_timeout_and_blocks_new_ones() {
        let gate = ReadGate::default();
        let read = gate.enter();
        let started = Instant::now();
        drop(gate.close(Duration::from_millis(50)));
        assert!(started.elapsed() >= Duration::from_millis(50), "a read was running");
        std::thread::scope(|scope| {
            let closed = gate.close(Duration::ZERO);
            let late = scope.spawn(|| drop(gate.enter()));
            drop(read);
            std::thread::sleep(Duration::from_millis(20));
            assert!(!late.is_finished(), "a read began while the gate was closed");
            drop(closed);
        });
        let started = Instant::now();
        drop(gate.close(Duration::from_secs(60)));
        assert!(started.elapsed() < Duration::from_secs(30), "no read was running");
    }
}
