//! Parses the rates in settings.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use governor::Quota;

/// A rate and a burst: `10/m:20` allows ten per minute, and up to twenty at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The time until one more is allowed.
    period: Duration,
    burst: NonZeroU32,
}

impl Rate {
    /// How many are allowed at once.
    pub(super) const fn burst(self) -> NonZeroU32 {
        self.burst
    }

    /// `None` if the period is zero, which parsing rules out.
    pub(super) fn quota(self) -> Option<Quota> {
        Quota::with_period(self.period).map(|quota| quota.allow_burst(self.burst))
    }
}

/// Text that is not a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidRate;

impl FromStr for Rate {
    type Err = InvalidRate;

    fn from_str(text: &str) -> Result<Self, InvalidRate> {
        let (rate, burst) = text.split_once(':').ok_or(InvalidRate)?;
        let (count, unit) = rate.split_once('/').ok_or(InvalidRate)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(InvalidRate),
        };
        let count: u32 = count.parse().ok().filter(|count| (1..=1_000_000).contains(count)).ok_or(InvalidRate)?;
        let burst = burst.parse().ok().filter(|burst: &NonZeroU32| burst.get() <= 1_000_000);
        Ok(Self { period: Duration::from_secs(seconds) / count, burst: burst.ok_or(InvalidRate)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_parsed() {
        let rate: Rate = "10/m:20".parse().expect("a rate");
        assert_eq!((rate.period, rate.burst.get()), (Duration::from_secs(6), 20));
        for text in ["", "10", "10/m", "0/s:1", "1/s:0", "1/d:1", "-1/s:1", "9999999/s:1", "1/s:1:1"] {
            assert_eq!(text.parse::<Rate>(), Err(InvalidRate), "{text}");
        }
    }
}
