//! Tasks that everything depends on. When one of them panics, nothing brings it back: the process ends, with an error, so
//! that whoever started it starts it again. What is done for one request never gets this far: its panic is caught there.

use tokio_util::sync::CancellationToken;

/// Knows whether one of several tasks has panicked.
#[derive(Clone, Debug, Default)]
pub struct CriticalTasks(CancellationToken);

impl CriticalTasks {
    /// Runs a task to its end.
    pub async fn task(self, task: impl Future<Output = ()>) {
        let until_the_end = self.0.drop_guard();
        task.await;
        until_the_end.disarm();
    }

    /// Runs what a thread has to do to its end.
    pub fn thread(self, work: impl FnOnce()) {
        let until_the_end = self.0.drop_guard();
        work();
        until_the_end.disarm();
    }

    /// Waits for one of them to panic, which should be for ever.
    pub async fn failed(&self) {
        self.0.cancelled().await;
    }
}
