//! Failure counters in Redis: one key per subject, which expires with its policy.

use std::time::Duration;

use async_trait::async_trait;

use crate::store::redis::RedisStore;
use crate::store::redis::scripts::millis;
use crate::store::{FailureCounters, FailureOutcome, FailureRecord, LockoutPolicy, StoreError, Subject};

#[async_trait]
impl FailureCounters for RedisStore {
    async fn record_failure(&self, subject: Subject, policy: LockoutPolicy) -> Result<FailureOutcome, StoreError> {
        let LockoutPolicy { max_failures, first, longest, forget_after } = policy;
        let mut call = self.inner.scripts.record_failure.call([self.inner.keys.failures(subject)]);
        call.arg(max_failures).arg(millis(first)).arg(millis(longest)).arg(millis(forget_after));
        let mut reply = self.run(&call).await?;
        match reply.outcome() {
            "counted" => Ok(FailureOutcome::Counted(FailureRecord(reply.number()?))),
            "locked_out" => Ok(FailureOutcome::LockedOut(Duration::from_millis(reply.number()?))),
            _ => Err(reply.unexpected_outcome()),
        }
    }

    async fn undo_failure(&self, subject: Subject, record: FailureRecord) -> Result<(), StoreError> {
        self.run(self.inner.scripts.undo_failure.call([self.inner.keys.failures(subject)]).arg(record.0))
            .await
            .map(drop)
    }
}
