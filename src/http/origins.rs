//! Which pages of other sites may talk to this server from a browser: they may read its answers (CORS), and open sockets,
//! which CORS does not cover. There are no cookies here, so this guards no session; it keeps other sites from using the
//! server through their visitors.
//!
//! The server's own pages always may. Their origin has the host that the request was sent to, or that a proxy says it was
//! sent to: no page can set headers of a socket's handshake, so whoever could lie there has no need to.

use std::str::FromStr;

use axum::extract::Request;
use axum::http::uri::{Authority, Scheme, Uri};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use tower_http::cors::AllowOrigin;

use crate::error_code::ErrorCode;
use crate::http::error_response;

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The origins that may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    Any,
    /// These, as browsers write them.
    Only(Vec<HeaderValue>),
}

/// It is neither `*` nor a list of origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither * nor origins")]
pub struct NotOrigins;

impl FromStr for Origins {
    type Err = NotOrigins;

    /// Reads `*`, or origins separated by commas.
    fn from_str(text: &str) -> Result<Self, NotOrigins> {
        if text == "*" {
            return Ok(Self::Any);
        }
        text.split(',').map(|origin| written(origin.trim()).ok_or(NotOrigins)).collect::<Result<_, _>>().map(Self::Only)
    }
}

/// An origin as browsers write it: in lower case, without the port that goes without saying.
fn written(origin: &str) -> Option<HeaderValue> {
    let (scheme, authority) = parse(origin)?;
    let authority = authority.as_str().to_ascii_lowercase();
    HeaderValue::try_from(format!("{scheme}://{}", without_default_port(&scheme, &authority))).ok()
}

/// Scheme and host of an origin; nothing may follow.
fn parse(origin: &str) -> Option<(Scheme, Authority)> {
    let parts = origin.parse::<Uri>().ok()?.into_parts();
    let (scheme, authority) = (parts.scheme?, parts.authority?);
    let whole = origin.len() == scheme.as_str().len() + "://".len() + authority.as_str().len();
    let plain = !authority.as_str().contains(['@', '*']) && !authority.host().is_empty();
    (whole && plain).then_some((scheme, authority))
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
    /// For the headers of answers. Never together with credentials.
    pub(super) fn for_cors(&self) -> AllowOrigin {
        match self {
            Self::Any => AllowOrigin::any(),
            Self::Only(origins) => AllowOrigin::list(origins.clone()),
        }
    }

    /// Refuses a socket to a page of another site.
    pub(super) fn refuse(&self, request: &Request) -> Option<Response> {
        let is_refused = request.headers().contains_key(header::UPGRADE) && !self.let_open(request.headers());
        is_refused.then(|| {
            let sentence = "pages of this origin may not open sockets here";
            error_response::refuse(StatusCode::FORBIDDEN, ErrorCode::OriginNotAllowed, sentence)
        })
    }

    /// Whether a request with these headers may open a socket. What has no origin is no browser.
    fn let_open(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Any => true,
            Self::Only(origins) => {
                headers.get_all(header::ORIGIN).iter().all(|origin| origins.contains(origin) || is_own(origin, headers))
            }
        }
    }
}

/// Whether `origin` is this server, by the host that it was asked for.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let Some((scheme, authority)) = origin.to_str().ok().and_then(parse) else { return false };
    let origin = without_default_port(&scheme, authority.as_str());
    [header::HOST, X_FORWARDED_HOST].iter().filter_map(|name| headers.get(name)?.to_str().ok()).any(|host| {
        // Of several proxies, the first one was asked for what stands first.
        let host = host.split(',').next().unwrap_or_default().trim();
        without_default_port(&scheme, host).eq_ignore_ascii_case(origin)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<String> {
        match text.parse().expect("origins") {
            Origins::Any => vec!["*".to_owned()],
            Origins::Only(origins) => origins.iter().map(|o| o.to_str().expect("text").to_owned()).collect(),
        }
    }

    #[test]
    fn origins_are_read_as_browsers_write_them() {
        assert_eq!(list("*"), ["*"]);
        assert_eq!(list("https://a.example"), ["https://a.example"]);
        assert_eq!(
            list("HTTPS://A.Example:443 , http://b.example:80,http://c.example:8080"),
            ["https://a.example", "http://b.example", "http://c.example:8080"]
        );
        assert_eq!(list("http://[::1]:3000,app://localhost"), ["http://[::1]:3000", "app://localhost"]);
    }

    #[test]
    fn what_is_no_origin_is_not_taken_for_one() {
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
            assert_eq!(text.parse::<Origins>(), Err(NotOrigins), "{text}");
        }
    }
}
