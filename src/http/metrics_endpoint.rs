//! The metrics endpoint, `/metrics`, and its access rule.

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

/// Which clients may read the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricsAccess {
    /// Clients on this machine or in a private network, without an untrusted proxy in between, that use one of the server's names.
    Local,
    All,
    /// The endpoint does not exist.
    Disabled,
}

/// Host names under which the metrics may be requested, in addition to names that only this machine or its network can define.
///
/// This stops DNS rebinding: any web page can make its own name resolve to a private address. A browser in the private network
/// that shows the page would then read the metrics for it, as a request to the page's own origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsHosts(Vec<Box<str>>);

/// Text that is not a list of host names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHosts;

impl FromStr for MetricsHosts {
    type Err = InvalidHosts;

    /// Parses names without ports, separated by commas.
    fn from_str(text: &str) -> Result<Self, InvalidHosts> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let name = |name: &str| {
            let valid = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
            if valid { Ok(without_final_dot(name).to_ascii_lowercase().into_boxed_str()) } else { Err(InvalidHosts) }
        };
        names.map(name).collect::<Result<_, _>>().map(Self)
    }
}

impl MetricsHosts {
    /// Whether no outsider can define this host: an address, a name without a dot, `localhost` and names below it, or a
    /// configured name.
    fn contains(&self, host: &Authority) -> bool {
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

    /// Whether a request is for one of these hosts, by its `Host` header and its target. There must be exactly one `Host`.
    fn match_request(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(header::HOST).iter();
        let host = hosts.next().filter(|_| hosts.next().is_none());
        let host = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
        host.is_some_and(|host| self.contains(&host)) && uri.authority().is_none_or(|host| self.contains(host))
    }
}

fn without_final_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

struct Endpoint {
    metrics: Metrics,
    chat: Chat,
    ready: Gauge,
    access: MetricsAccess,
    hosts: MetricsHosts,
}

/// The route; none if metrics are disabled.
pub(super) fn routes(metrics: &Metrics, chat: &Chat, access: MetricsAccess, hosts: MetricsHosts) -> Router {
    if access == MetricsAccess::Disabled {
        return Router::new();
    }
    let ready = Gauge::default();
    metrics.register("livechat_ready", "Whether the store answers and takes writes: 1, or 0", ready.clone());
    let (metrics, chat) = (metrics.clone(), chat.clone());
    Router::new().route("/metrics", get(scrape)).with_state(Arc::new(Endpoint { metrics, chat, ready, access, hosts }))
}

async fn scrape(
    State(endpoint): State<Arc<Endpoint>>,
    client: Option<Extension<Client>>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if endpoint.access == MetricsAccess::Local {
        let client = client.map(|Extension(client)| client);
        if !client.is_some_and(|client| is_local(client, &headers)) {
            let reason =
                "metrics are for this machine and its private network only; METRICS=on opens them to everybody\n";
            return (StatusCode::FORBIDDEN, reason).into_response();
        }
        if !endpoint.hosts.match_request(&uri, &headers) {
            let reason = "request metrics by an address, by a name without a dot, or by a name in METRICS_HOSTS\n";
            return (StatusCode::FORBIDDEN, reason).into_response();
        }
    }
    endpoint.ready.set(endpoint.chat.check_ready().await.is_ok().into());
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], endpoint.metrics.text()).into_response()
}

/// Whether a request comes from this machine or its private network, and is not made on behalf of another client.
fn is_local(client: Client, headers: &HeaderMap) -> bool {
    // An untrusted proxy may forward requests from anywhere. A page of another site, in a browser on this machine, sends its
    // origin.
    let has_unknown_source = client_ip::is_forwarded(headers) && !client.via_trusted_proxy;
    client.address.is_some_and(is_private) && !has_unknown_source && !headers.contains_key(header::ORIGIN)
}

/// Whether the address is of this machine or of a private network.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}
