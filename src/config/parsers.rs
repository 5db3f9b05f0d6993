//! Parsers for the values of settings. An error says what the value must be, without quoting it: it may be a password.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::open_files;

pub(super) const MIB: usize = 1024 * 1024;
pub(super) const RATE: &str = "a rate and a burst, like 10/s:50, 10/m:50 or 10/h:50";
pub(super) const LOCKOUT: &str = "a number and the length of the first lockout, from 1s to 1h, like 10:1m";
pub(super) const NETWORKS: &str = "bits of IPv4, from 8 to 32, and of IPv6, from 16 to 128, like 24,48";

pub(super) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(super) fn text(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

pub(super) fn parsed<T: FromStr>(text: &str, expected: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("must be {expected}"))
}

/// `None` for an empty value.
pub(super) fn optional<T: FromStr>(text: &str, expected: &str) -> Result<Option<T>, String> {
    if text.is_empty() { Ok(None) } else { parsed(text, expected).map(Some) }
}

pub(super) fn number<T: FromStr + PartialOrd + Display>(text: &str, min: T, max: T) -> Result<T, String> {
    let number = text.parse().ok().filter(|number| (&min..=&max).contains(&number));
    number.ok_or_else(|| format!("must be a whole number from {min} to {max}"))
}

/// A time with its unit, or a bare number of seconds.
pub(super) fn duration(text: &str, min: Duration, max: Duration) -> Result<Duration, String> {
    let duration = text.parse().map(Duration::from_secs).or_else(|_| humantime::parse_duration(text)).ok();
    duration.filter(|duration| (min..=max).contains(duration)).ok_or_else(|| {
        let (min, max) = (humantime::format_duration(min), humantime::format_duration(max));
        format!("must be a time from {min} to {max}, like 90s, 30m or 24h")
    })
}

pub(super) fn choice<T: Clone>(text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    choices.iter().find(|(name, _)| *name == text).map(|(_, value)| value.clone()).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        format!("must be one of: {}", names.join(", "))
    })
}

pub(super) fn on_or_off(text: &str) -> Result<bool, String> {
    choice(text, &[("on", true), ("off", false)])
}

/// An empty value means as many as the limit of open files allows.
pub(super) fn max_connections(text: &str) -> Result<usize, String> {
    if text.is_empty() { Ok(open_files::connections_that_fit()) } else { number(text, 1, 10_000_000) }
}

pub(super) fn redis_port(text: &str) -> Result<u16, String> {
    if text.starts_with("tcp://") {
        return Err(
            "must be a port, but Kubernetes has set it for a service named redis; set REDIS_PORT yourself, use \
                    REDIS_URL instead of REDIS_HOST, or set enableServiceLinks: false in the pod"
                .to_owned(),
        );
    }
    number(text, 1, u16::MAX)
}

/// Hosts and ports, separated by commas; IPv6 addresses in brackets.
pub(super) fn sentinels(text: &str) -> Result<Vec<(String, u16)>, String> {
    let parse = |address: &str| {
        let (host, port) = address.trim().rsplit_once(':')?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = port.parse().ok().filter(|port| *port != 0)?;
        (!host.is_empty() && !host.contains(['/', '@'])).then(|| (host.to_owned(), port))
    };
    let addresses = text.split(',').filter(|_| !text.is_empty()).map(parse).collect::<Option<_>>();
    addresses.ok_or_else(|| "must be hosts and ports like one:26379,two:26379".to_owned())
}
