//! A clock that a test can set, for the processes that it starts: a few lines of C, preloaded into each process.

use std::process::Command;

use tempfile::TempDir;

/// The clock of all processes with its environment. It is right until a test sets it.
pub struct WrongClock(TempDir);

impl WrongClock {
    pub fn new() -> Self {
        let clock = Self(tempfile::tempdir().expect("a directory for a clock"));
        clock.set_off_by_hours(0);
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/wrong_clock.c");
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o", &clock.path("clock.so"), source]).status();
        assert!(compiled.expect("the C compiler that SQLite was built with").success());
        clock
    }

    /// Sets the clock this many hours forward, or back if negative.
    pub fn set_off_by_hours(&self, hours: i32) {
        // Replaced in one step, because the processes may read the file at any time.
        let (file, new) = (self.path("offset"), self.path("new"));
        let seconds = (hours * 3_600).to_string();
        std::fs::write(&new, seconds).and_then(|()| std::fs::rename(new, file)).expect("a file");
    }

    /// The environment of a process that uses this clock.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [("LD_PRELOAD", self.path("clock.so")), ("WRONG_CLOCK", self.path("offset"))]
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("text").to_owned()
    }
}
