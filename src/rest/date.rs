//! The date format of the legacy routes.

use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::domain::timestamp::Timestamp;

/// `YYYY-MM-DD HH:MM:SS`, UTC.
#[derive(Clone, Copy, ToSchema)]
#[schema(value_type = String, pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}$", example = "2026-01-31 12:34:56")]
pub(super) struct Date(pub(super) Timestamp);

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX);
        let timestamp = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        serializer.collect_str(&timestamp.strftime("%Y-%m-%d %H:%M:%S"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(millis: u64) -> String {
        serde_json::to_string(&Date(Timestamp::from_millis(millis))).expect("a date as JSON")
    }

    #[test]
    fn date_is_in_utc_without_fractions_of_a_second() {
        assert_eq!(format(0), r#""1970-01-01 00:00:00""#);
        assert_eq!(format(1_700_000_000_999), r#""2023-11-14 22:13:20""#);
    }

    #[test]
    fn date_past_the_end_of_the_calendar_is_the_last_one() {
        assert!(format(u64::MAX).starts_with("\"9999-12-3"));
    }
}
