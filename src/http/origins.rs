//! Allowed origins: the sites whose pages may use this server from a browser, that is, read its responses (CORS) and open
//! WebSockets, which CORS does not cover. There are no cookies, so this protects no session; it stops other sites from using the
//! server through their visitors.
//!
//! The server's own pages are always allowed. Their origin has the host that the request was sent to, according to `Host` or a
//! proxy's `X-Forwarded-Host`. Pages cannot set headers of a WebSocket handshake, and clients that can forge them need no page.

use std::str::FromStr;

use axum::http::uri::{Authority, Scheme, Uri};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, header};
use hyper::ext::Protocol;
use tower_http::cors::AllowOrigin;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Allowed origins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    Any,
    /// In the form in which browsers send them.
    Only(Vec<HeaderValue>),
}

/// Text that is neither `*` nor a list of origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither * nor origins")]
pub struct InvalidOrigins;

impl FromStr for Origins {
    type Err = InvalidOrigins;

    /// Parses `*`, or origins separated by commas.
    fn from_str(text: &str) -> Result<Self, InvalidOrigins> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let origins = text.split(',').map(|origin| normalize(origin.trim()).ok_or(InvalidOrigins));
        origins.collect::<Result<_, _>>().map(Self::Only)
    }
}

/// Converts an origin to the form in which browsers send it: in lower case, without the default port.
fn normalize(origin: &str) -> Option<HeaderValue> {
    let (scheme, authority) = parse(origin)?;
    let authority = authority.as_str().to_ascii_lowercase();
    HeaderValue::try_from(format!("{scheme}://{}", without_default_port(&scheme, &authority))).ok()
}

/// Parses an origin into scheme and authority; nothing may follow them.
fn parse(origin: &str) -> Option<(Scheme, Authority)> {
    let parts = origin.parse::<Uri>().ok()?.into_parts();
    let (scheme, authority) = (parts.scheme?, parts.authority?);
    let is_complete = origin.len() == scheme.as_str().len() + "://".len() + authority.as_str().len();
    let is_plain = !authority.as_str().contains(['@', '*']) && !authority.host().is_empty();
    (is_complete && is_plain).then_some((scheme, authority))
}

fn without_default_port<'a>(scheme: &Scheme, host: &'a str) -> &'a str {
    let port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return host,
    };
    host.strip_suffix(port).unwrap_or(host)
}

impl Origins {
    /// For the CORS headers of responses, which never allow credentials.
    pub(super) fn for_cors(&self) -> AllowOrigin {
        match self {
            Self::Any => AllowOrigin::any(),
            Self::Only(origins) => AllowOrigin::list(origins.clone()),
        }
    }

    /// Whether a request with these headers asks for a WebSocket that its page may not open. Requests without an origin do not
    /// come from a page.
    pub(super) fn is_forbidden_upgrade(&self, headers: &HeaderMap, extensions: &Extensions) -> bool {
        let Self::Only(allowed) = self else { return false };
        // HTTP/2 has no upgrades; a CONNECT that names a protocol takes their place.
        let is_upgrade = headers.contains_key(header::UPGRADE) || extensions.get::<Protocol>().is_some();
        is_upgrade
            && headers
                .get_all(header::ORIGIN)
                .iter()
                .any(|origin| !allowed.contains(origin) && !is_own(origin, headers))
    }
}

/// Whether `origin` is this server itself, according to the host that the request was sent to.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let Some((scheme, authority)) = origin.to_str().ok().and_then(parse) else { return false };
    let origin = without_default_port(&scheme, authority.as_str());
    [header::HOST, X_FORWARDED_HOST].iter().filter_map(|name| headers.get(name)?.to_str().ok()).any(|host| {
        // If there are several proxies, the first value is the host that the client used.
        let host = host.split(',').next().unwrap_or_default().trim();
        without_default_port(&scheme, host).eq_ignore_ascii_case(origin)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_normalized_to_the_form_that_browsers_send() {
        for (text, normalized) in [
            ("https://a.example", vec!["https://a.example"]),
            ("HTTPS://A.Example:443 , http://b.example:80", vec!["https://a.example", "http://b.example"]),
            ("http://c.example:8080,http://[::1]:3000", vec!["http://c.example:8080", "http://[::1]:3000"]),
            ("app://localhost", vec!["app://localhost"]),
        ] {
            let normalized = normalized.into_iter().map(HeaderValue::from_static).collect();
            assert_eq!(text.parse(), Ok(Origins::Only(normalized)), "{text}");
        }
        assert_eq!("*".parse(), Ok(Origins::Any));
    }

    #[test]
    fn invalid_origins_are_rejected() {
        for text in [
            "",
            "a.example",
            "https://",
            "https://a.example/",
            "https://a.example/path",
            "https://a.example?x",
            "https://user@a.example",
            "https://*.a.example",
            "*,https://a.example",
            "https://a.example,",
            "null",
        ] {
            assert_eq!(text.parse::<Origins>(), Err(InvalidOrigins), "{text}");
        }
    }
}
