//! `/metrics`, and whom it answers.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::caller::TrustedProxies;
use crate::chat::Chat;
use crate::metrics::{Gauge, MEDIA_TYPE, Metrics};

/// Who may read the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// Whoever asks from this machine or from a private network, itself.
    Local,
    Everybody,
    /// There are none.
    Nobody,
}

/// What proxies write into a request that they pass on. One that we do not trust may have brought it from anywhere.
const SIGNS_OF_A_PROXY: [HeaderName; 4] =
    [header::FORWARDED, header::VIA, HeaderName::from_static("x-forwarded-for"), HeaderName::from_static("x-real-ip")];

struct Exposed {
    metrics: Metrics,
    chat: Chat,
    ready: Gauge,
    proxies: TrustedProxies,
    exposure: Exposure,
}

/// The route, if there shall be one.
pub(super) fn routes(metrics: &Metrics, chat: &Chat, proxies: &TrustedProxies, exposure: Exposure) -> Router {
    if exposure == Exposure::Nobody {
        return Router::new();
    }
    let ready = Gauge::default();
    metrics.register("livechat_ready", "Whether the store answers and takes writes: 1, or 0", ready.clone());
    let (metrics, chat, proxies) = (metrics.clone(), chat.clone(), proxies.clone());
    Router::new().route("/metrics", get(tell)).with_state(Arc::new(Exposed { metrics, chat, ready, proxies, exposure }))
}

async fn tell(
    State(exposed): State<Arc<Exposed>>,
    client: Option<Extension<super::ClientAddress>>,
    peer: Option<Extension<super::Peer>>,
    headers: HeaderMap,
) -> Response {
    let client = client.map(|Extension(super::ClientAddress(address))| address);
    let is_passed_on = SIGNS_OF_A_PROXY.iter().any(|sign| headers.contains_key(sign))
        && !peer.is_some_and(|Extension(super::Peer(peer))| exposed.proxies.trust(peer));
    // A page of another site, in a browser that runs here, says where it comes from.
    let is_local = client.is_some_and(is_private) && !is_passed_on && !headers.contains_key(header::ORIGIN);
    if exposed.exposure == Exposure::Local && !is_local {
        let sentence = "metrics are told on this machine and its private network only; METRICS=on tells everybody\n";
        return (StatusCode::FORBIDDEN, sentence).into_response();
    }
    exposed.ready.set(exposed.chat.ready().await.is_ok().into());
    ([(header::CONTENT_TYPE, MEDIA_TYPE)], exposed.metrics.text()).into_response()
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
}
