//! Moments as the legacy routes write them.

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
        let moment = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX);
        serializer.collect_str(&moment.strftime("%Y-%m-%d %H:%M:%S"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(millis: u64) -> String {
        serde_json::to_string(&Date(Timestamp::from_millis(millis))).expect("a date can be written")
    }

    #[test]
    fn a_date_is_written_to_the_second_in_utc() {
        assert_eq!(written(0), r#""1970-01-01 00:00:00""#);
        assert_eq!(written(1_700_000_000_999), r#""2023-11-14 22:13:20""#);
    }

    #[test]
    fn a_date_past_the_calendar_is_its_last() {
        assert!(written(u64::MAX).starts_with("\"9999-12-3"));
    }
}
