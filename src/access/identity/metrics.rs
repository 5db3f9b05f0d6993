//! Metrics of identities: why they were refused, and the keys that check them. No label names a user, a key or a site.

use std::time::SystemTime;

use crate::access::identity::error::{Defect, IdentityError};
use crate::metrics::{Counters, Gauge, Metrics};

/// The label of [`IdentityError::Expired`], and that of the two that say that there is no identity.
const EXPIRED: &str = "expired";
const MISSING: &str = "missing";

/// Clones share their values.
#[derive(Clone)]
pub(super) struct IdentityMetrics {
    refusals: Counters<1>,
    keys: Gauge,
    /// When the key file was last read without a fault, in seconds since 1970.
    read_at: Gauge,
    /// Whether the key file has changed since, and cannot be used.
    is_stale: Gauge,
}

impl Default for IdentityMetrics {
    fn default() -> Self {
        let refusals = Counters::default();
        let reasons = Defect::ALL.iter().map(|defect| defect.label()).chain([EXPIRED, MISSING]);
        reasons.for_each(|reason| drop(refusals.get_or_create(&[("reason", reason)])));
        Self { refusals, keys: Gauge::default(), read_at: Gauge::default(), is_stale: Gauge::default() }
    }
}

impl IdentityMetrics {
    pub(super) fn register(&self, metrics: &Metrics) {
        let help = "Actions refused because of an identity, or because there was none";
        metrics.register("livechat_identity_refusals", help, self.refusals.clone());
        let help = "Keys in use that check identities, from IDENTITY_KEYS";
        metrics.register("livechat_identity_keys", help, self.keys.clone());
        let help = "When IDENTITY_KEYS was last read, in seconds since 1970; 0 without it";
        metrics.register("livechat_identity_keys_read_timestamp_seconds", help, self.read_at.clone());
        let help = "Whether IDENTITY_KEYS has changed and cannot be read, so that former keys are in use: 1, or 0";
        metrics.register("livechat_identity_keys_stale", help, self.is_stale.clone());
    }

    pub(super) fn record_refusal(&self, error: IdentityError) {
        let reason = match error {
            IdentityError::Required | IdentityError::RequiredToCreateRooms => MISSING,
            IdentityError::Invalid(defect, _) => defect.label(),
            IdentityError::Expired => EXPIRED,
        };
        self.refusals.get_or_create(&[("reason", reason)]).inc();
    }

    /// Records that the key file was read and has so many keys.
    pub(super) fn record_keys(&self, count: usize) {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.keys.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.read_at.set(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX));
        self.is_stale.set(0);
    }

    /// Records that the key file has changed and cannot be used.
    pub(super) fn record_unusable_file(&self) {
        self.is_stale.set(1);
    }
}
