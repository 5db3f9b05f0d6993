//! The sites that may show the chat page in a frame.

use std::fmt;
use std::str::FromStr;

/// Sources of the directive `frame-ancestors` of a content security policy. Without any, no site may frame the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameAncestors(Vec<Box<str>>);

/// Text that is not a list of sites.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a list of sites")]
pub struct InvalidFrameAncestors;

impl FromStr for FrameAncestors {
    type Err = InvalidFrameAncestors;

    /// Parses sites separated by commas.
    fn from_str(text: &str) -> Result<Self, InvalidFrameAncestors> {
        let site = |site: &str| {
            let site = site.trim();
            is_host_source(site).then(|| site.to_ascii_lowercase().into_boxed_str()).ok_or(InvalidFrameAncestors)
        };
        text.split(',').filter(|_| !text.is_empty()).map(site).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for FrameAncestors {
    /// Writes the value of the directive.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "'none'" } else { "" })?;
        self.0.iter().enumerate().try_for_each(|(at, site)| {
            formatter.write_str(if at == 0 { "" } else { " " })?;
            formatter.write_str(site)
        })
    }
}

/// Whether this is a `host-source` of the Content Security Policy specification without a path: a host with or without scheme and
/// port. `*` stands for every host, for the first labels of one, or for every port. There are no IPv6 addresses in policies.
fn is_host_source(text: &str) -> bool {
    let host_and_port = match text.split_once("://") {
        Some((scheme, rest)) if ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) => rest,
        Some(_) => return false,
        None => text,
    };
    let (host, port) = host_and_port.split_once(':').unwrap_or((host_and_port, "*"));
    let is_label =
        |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_host = host == "*" || host.strip_prefix("*.").unwrap_or(host).split('.').all(is_label);
    is_host && (port == "*" || (port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_become_sources_of_the_directive() {
        for (text, directive) in [
            ("", "'none'"),
            ("*", "*"),
            ("https://site.example", "https://site.example"),
            ("HTTPS://*.Site.example:8443 , http://127.0.0.1:*", "https://*.site.example:8443 http://127.0.0.1:*"),
            ("site.example,https://*", "site.example https://*"),
        ] {
            assert_eq!(text.parse().map(|sites: FrameAncestors| sites.to_string()).as_deref(), Ok(directive), "{text}");
        }
    }

    #[test]
    fn what_is_no_site_is_rejected() {
        for text in [
            ",",
            "https://site.example,",
            "https://",
            "https://site.example/",
            "https://site.example/path",
            "https://site.example:",
            "https://site.example:65536",
            "https://site.example:+80",
            "ftp://site.example",
            "https:",
            "'self'",
            "none;",
            "site.example; script-src *",
            "a.example b.example",
            "*site.example",
            "a.*.example",
            "*.*.example",
            "site..example",
            "[::1]",
            "https://user@site.example",
            "https://s\u{ef}te.example",
        ] {
            assert_eq!(text.parse::<FrameAncestors>(), Err(InvalidFrameAncestors), "{text}");
        }
    }
}
