//! Counts the wrong tokens of each user at each client.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::access::subjects;
use crate::domain::client_key::ClientKey;
use crate::store::{FailureCounters, FailureOutcome, LockoutPolicy, StoreError};

/// Users share this many counters per client. A client can make up any number of user ids, so a counter for each would use
/// unbounded memory and push out the counters of other failures.
const USER_GROUPS: u16 = 1_024;

pub(super) struct WrongTokens {
    counters: Arc<dyn FailureCounters>,
    policy: LockoutPolicy,
}

impl WrongTokens {
    pub(super) fn new(counters: Arc<dyn FailureCounters>, policy: LockoutPolicy) -> Self {
        Self { counters, policy }
    }

    /// Counts a wrong token. Returns how long the lockout lasts, if there were too many.
    pub(super) async fn record(&self, client: ClientKey, user: &str) -> Result<Option<Duration>, StoreError> {
        let subject = subjects::of_user(client, &group_of(user));
        Ok(match self.counters.record_failure(subject, self.policy).await? {
            FailureOutcome::Counted(_) => None,
            FailureOutcome::LockedOut(remaining) => Some(remaining),
        })
    }
}

/// The group of a user, the same on every node.
fn group_of(user: &str) -> String {
    let [first, second, ..] = <[u8; 32]>::from(Sha256::digest(user));
    (u16::from_be_bytes([first, second]) % USER_GROUPS).to_string()
}
