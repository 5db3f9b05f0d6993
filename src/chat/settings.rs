//! Settings of the service.

use std::time::Duration;

use crate::domain::limits::Limits;

/// Settings of [`super::Chat`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a room lives after its creation.
    pub room_ttl: Duration,
    /// Decimal digits in a room code.
    pub room_code_length: usize,
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self { room_ttl: Duration::from_secs(24 * 60 * 60), room_code_length: 6, limits: Limits::default() }
    }
}
