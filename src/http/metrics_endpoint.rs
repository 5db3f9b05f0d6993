//! `/metrics`, and whom it answers.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::chat::Chat;
use crate::http::client_ip::{self, Client};
use crate::metrics::{Gauge, MEDIA_TYPE, Metrics};

/// Who may read the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// Whoever asks from this machine or from a private network, itself, and by a name that is the server's own.
    Local,
    Everybody,
    /// There are none.
    Nobody,
}

/// Names under which the metrics are asked for, besides those that only this machine or its network can have given it.
///
/// A web page of anybody can have its own name lead to a private address (DNS rebinding). The browser that shows it then
/// reads the metrics for it, from a private network, and as far as it can tell from the page's own site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsHosts(Vec<Box<str>>);

/// Text that is not a list of host names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotHosts;

impl FromStr for MetricsHosts {
    type Err = NotHosts;

    /// Reads names without ports, separated by commas.
    fn from_str(text: &str) -> Result<Self, NotHosts> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let name = |name: &str| {
            let valid = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            if valid { Ok(without_final_dot(name).to_ascii_lowercase().into_boxed_str()) } else { Err(NotHosts) }
        };
        names.map(name).collect::<Result<_, _>>().map(Self)
    }
}

impl MetricsHosts {
    /// Whether nobody else can have made this host lead to us: an address, a name without a dot, `localhost` and what is
    /// below it, or a name that was set.
    fn include(&self, host: &Authority) -> bool {
        let name = host.host();
        if host.as_str().contains('@') || name.is_empty() {
            return false;
        }
        let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        let name = without_final_dot(name).to_ascii_lowercase();
        address.parse::<IpAddr>().is_ok()
            || !name.contains('.')
            || name.ends_with(".localhost")
            || self.0.iter().any(|own| **own == *name)
    }

    /// Whether a request is for one of these hosts, by all that it says of its host.
    fn are_asked(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().filter(|_| hosts.next().is_none());
        let host = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
        host.is_some_and(|host| self.include(&host)) && uri.authority().is_none_or(|host| self.include(host))
    }
}

fn without_final_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

struct Exposed {
    metrics: Metrics,
    chat: Chat,
    ready: Gauge,
    exposure: Exposure,
    hosts: MetricsHosts,
}

/// The route, if there shall be one.
pub(super) fn routes(metrics: &Metrics, chat: &Chat, exposure: Exposure, hosts: MetricsHosts) -> Router {
    if exposure == Exposure::Nobody {
        return Router::new();
    }
    let ready = Gauge::default();
    metrics.register("livechat_ready", "Whether the store answers and takes writes: 1, or 0", ready.clone());
    let (metrics, chat) = (metrics.clone(), chat.clone());
    Router::new().route("/metrics", get(tell)).with_state(Arc::new(Exposed { metrics, chat, ready, exposure, hosts }))
}

async fn tell(
    State(exposed): State<Arc<Exposed>>,
    client: Option<Extension<Client>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if exposed.exposure == Exposure::Local {
        let client = client.map(|Extension(client)| client);
        if !client.is_some_and(|client| is_local(client, &headers)) {
            let sentence =
                "metrics are told on this machine and its private network only; METRICS=on tells everybody\n";
            return (StatusCode::FORBIDDEN, sentence).into_response();
        }
        if !exposed.hosts.are_asked(&uri, &headers) {
            let sentence = "metrics are told under an address, a name without a dot, or a name in METRICS_HOSTS\n";
            return (StatusCode::FORBIDDEN, sentence).into_response();
        }
    }
    exposed.ready.set(exposed.chat.check_ready().await.is_ok().into());
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], exposed.metrics.text()).into_response()
}

/// Whether a request comes from this machine or its private network, and not for somebody else.
fn is_local(client: Client, headers: &HeaderMap) -> bool {
    // A proxy that we do not trust may have brought it from anywhere. A page of another site, in a browser that runs here,
    // says where it comes from.
    let is_for_another = client_ip::is_passed_on(headers) && !client.through_trusted_proxy;
    client.address.is_some_and(is_private) && !is_for_another && !headers.contains_key(header::ORIGIN)
}

/// Whether only this machine, or its own network, has such an address.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_is_what_the_internet_does_not_route() {
        for (address, private) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("192.168.1.1", true),
            ("::1", true),
            ("fd00::1", true),
            ("::ffff:10.0.0.1", true),
            ("8.8.8.8", false),
            ("172.32.0.1", false),
            ("2001:db8::1", false),
            ("::ffff:8.8.8.8", false),
        ] {
            assert_eq!(is_private(address.parse().expect("an address")), private, "{address}");
        }
    }

    #[test]
    fn hosts_that_others_can_have_lead_here_are_refused() {
        let hosts: MetricsHosts = "livechat.chat.svc, Metrics.Example.org".parse().expect("names");
        for (host, own) in [
            ("127.0.0.1:8001", true),
            ("[::1]:8001", true),
            ("10.1.2.3", true),
            ("localhost", true),
            ("localhost.:8001", true),
            ("a.localhost:8001", true),
            ("livechat:8001", true),
            ("livechat.chat.svc:8001", true),
            ("metrics.example.ORG.", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example:8001", false),
            ("x.metrics.example.org", false),
            ("a@localhost", false),
        ] {
            let authority = host.parse().expect("an authority");
            assert_eq!(hosts.include(&authority), own, "{host}");
        }
    }

    #[test]
    fn a_request_that_does_not_say_one_host_is_refused() {
        let hosts = MetricsHosts::default();
        let asked = |uri: &str, names: &[&str]| {
            let mut headers = HeaderMap::new();
            for name in names {
                headers.append(header::HOST, name.parse().expect("a value"));
            }
            hosts.are_asked(&uri.parse().expect("an address"), &headers)
        };
        assert!(asked("/metrics", &["localhost:8001"]));
        assert!(asked("http://127.0.0.1/metrics", &["127.0.0.1"]));
        assert!(!asked("/metrics", &[]));
        assert!(!asked("/metrics", &[""]));
        assert!(!asked("/metrics", &["localhost", "localhost"]));
        assert!(!asked("http://evil.example/metrics", &["localhost"]));
        assert!(!asked("/metrics", &["localhost/evil.example"]));
    }

    #[test]
    fn names_are_listed_without_ports() {
        for text in ["livechat:8001", "http://livechat", "*", "a b"] {
            assert_eq!(text.parse::<MetricsHosts>(), Err(NotHosts), "{text}");
        }
        assert_eq!("".parse(), Ok(MetricsHosts::default()));
    }
}
