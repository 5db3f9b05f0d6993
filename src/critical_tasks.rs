//! Tasks without which the process cannot work.
//!
//! When one of them panics, the process ends with an error, so that its supervisor restarts it. Panics while
//! serving a request are caught elsewhere and do not end the process.

use tokio_util::sync::CancellationToken;

/// A group of tasks. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct CriticalTasks(CancellationToken);

impl CriticalTasks {
    /// Runs a task. If it panics or is dropped before its end, the group has failed.
    pub async fn task(self, task: impl Future<Output = ()>) {
        let fail_on_panic = self.0.drop_guard();
        task.await;
        fail_on_panic.disarm();
    }

    /// Runs the work of a thread. If it panics, the group has failed.
    pub fn thread(self, work: impl FnOnce()) {
        let fail_on_panic = self.0.drop_guard();
        work();
        fail_on_panic.disarm();
    }

    /// Waits until the group has failed.
    pub async fn failed(&self) {
        self.0.cancelled().await;
    }
}
