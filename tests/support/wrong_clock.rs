//! A clock that a test sets, for processes of its own: a few lines of C, loaded before the process's own libraries.

use std::process::Command;

use tempfile::TempDir;

/// The clock of the processes that run in its environment. It is right until it is set.
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

    /// Sets the clock so many hours forward, or back where negative.
    pub fn set_off_by_hours(&self, hours: i32) {
        // In one step, as the processes read it all the time.
        let (file, new) = (self.path("offset"), self.path("new"));
        let seconds = (hours * 3_600).to_string();
        std::fs::write(&new, seconds).and_then(|()| std::fs::rename(new, file)).expect("a file");
    }

    /// What a process needs in its environment to go by this clock.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [("LD_PRELOAD", self.path("clock.so")), ("WRONG_CLOCK", self.path("offset"))]
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("text").to_owned()
    }
}
