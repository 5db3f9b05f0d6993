//! Parses the settings of a room as a client gives them.

use crate::chat::input::ChangeSettings;
use crate::domain::limits::{CAPACITY_MAX, SLOW_MODE_SECONDS_MAX};
use crate::domain::room::{RoomTitle, SettingsUpdate};
use crate::domain::violation::{Field, Violation};

/// Parses a change of settings.
pub(super) fn parse_settings(input: ChangeSettings<'_>) -> Result<SettingsUpdate, Violation> {
    let ChangeSettings { title, listed, capacity, slow_mode_seconds, locked } = input;
    Ok(SettingsUpdate {
        title: title.map(|title| title.map(RoomTitle::parse).transpose()).transpose()?,
        listed,
        capacity: capacity.map(|capacity| capacity.map(parse_capacity).transpose()).transpose()?,
        slow_mode_seconds: slow_mode_seconds.map(parse_slow_mode).transpose()?,
        locked,
    })
}

fn parse_capacity(capacity: i32) -> Result<u32, Violation> {
    let capacity = u32::try_from(capacity).ok().filter(|capacity| (1..=CAPACITY_MAX).contains(capacity));
    capacity.ok_or_else(|| Field::Capacity.invalid(format!("must be 1 to {CAPACITY_MAX}")))
}

fn parse_slow_mode(seconds: i32) -> Result<u32, Violation> {
    let seconds = u32::try_from(seconds).ok().filter(|seconds| *seconds <= SLOW_MODE_SECONDS_MAX);
    seconds.ok_or_else(|| Field::SlowModeSeconds.invalid(format!("must be 0 to {SLOW_MODE_SECONDS_MAX}")))
}
