//! Ends the whole run when one test takes far too long, and names that test.
//!
//! Tests limit their own waits. The watchdog covers a wait without a limit: otherwise CI would end the run, and nothing would name
//! the test.

use std::collections::HashMap;
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// Many times the duration of the slowest test.
const LIMIT: Duration = Duration::from_secs(600);

const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// The running tests: name and start, by thread.
static RUNNING: LazyLock<Mutex<HashMap<ThreadId, (String, Instant)>>> = LazyLock::new(|| {
    std::thread::spawn(|| {
        loop {
            std::thread::sleep(CHECK_INTERVAL);
            let overdue = running().values().find(|(_, start)| start.elapsed() > LIMIT).cloned();
            if let Some((test, start)) = overdue {
                end_run(&test, start.elapsed());
            }
        }
    });
    Mutex::default()
});

thread_local! {
    /// The test harness runs each test in a thread of its own, named after the test.
    static WATCHED: Watched = Watched::begin();
}

/// Watches the calling test until its thread ends. Calling it again changes nothing.
pub fn watch() {
    WATCHED.with(|_| ());
}

struct Watched(ThreadId);

impl Watched {
    fn begin() -> Self {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("a thread without a name").to_owned();
        running().insert(thread.id(), (name, Instant::now()));
        Self(thread.id())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        running().remove(&self.0);
    }
}

fn running() -> MutexGuard<'static, HashMap<ThreadId, (String, Instant)>> {
    RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Prints the test that hangs and the processes that this run has started, and fails the run.
fn end_run(test: &str, after: Duration) -> ! {
    let parent = std::process::id().to_string();
    let processes = Command::new("ps").args(["-o", "pid,stat,etime,wchan:20,args", "--ppid", &parent]).output();
    let processes = processes.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    eprintln!("\n{test} has not ended after {} seconds. Processes of this run:\n{processes}", after.as_secs());
    std::process::exit(101)
}
