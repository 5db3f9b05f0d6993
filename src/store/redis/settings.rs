//! Where Redis is and how it is reached. What goes over a connection once there is one is `connection`'s and `feed`'s.

use std::fmt;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError,
    RedisResult,
};

use super::slots::Address;

pub(super) const CONNECTING: Duration = Duration::from_secs(1);
const KEEPALIVE: Duration = Duration::from_secs(10);
/// A peer that acknowledges nothing for so long is gone.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(3);

/// How Redis is reached and used.
#[derive(Clone)]
pub struct Settings {
    connection: ConnectionInfo,
    /// Nodes of a cluster to begin with; none for a single Redis.
    seeds: Vec<ConnectionInfo>,
    prefix: String,
    timeout: Duration,
}

impl Settings {
    /// A Redis by its URL, as in `redis://user:password@host:6379/0`, and the prefix of every key and channel there.
    /// Several nodes, separated by commas, are a cluster; all but the first may be `host:port` only.
    pub fn new(url: &str, prefix: &str) -> Result<Self, InvalidSettings> {
        let (first, others) = url.split_once(',').map_or((url, None), |(first, others)| (first, Some(others)));
        let settings = Self::of(first.trim(), prefix)?;
        let Some(others) = others else { return Ok(settings) };
        let mut seeds = vec![settings.connection.clone()];
        for other in others.split(',').map(str::trim) {
            seeds.push(match Address::of(other) {
                Some(address) if !other.contains("://") => settings.at_node(&address),
                _ => other.into_connection_info().map_err(InvalidSettings::Url)?,
            });
        }
        Ok(Self { seeds, ..settings })
    }

    /// A Redis by its host, its port and, if it asks for one, its password.
    pub fn at(host: &str, port: u16, password: Option<&str>, prefix: &str) -> Result<Self, InvalidSettings> {
        let mut settings = Self::of((host, port), prefix)?;
        if let Some(password) = password {
            let login = settings.connection.redis_settings().clone().set_password(password);
            settings.connection = settings.connection.set_redis_settings(login);
        }
        Ok(settings)
    }

    fn of(connection: impl IntoConnectionInfo, prefix: &str) -> Result<Self, InvalidSettings> {
        let connection = connection.into_connection_info().map_err(InvalidSettings::Url)?;
        if prefix.is_empty() || prefix.contains(['{', '}']) {
            return Err(InvalidSettings::Prefix);
        }
        Ok(Self { connection, seeds: Vec::new(), prefix: prefix.to_owned(), timeout: Duration::from_secs(1) })
    }

    /// Takes what is there for a node of a cluster.
    #[must_use]
    pub fn in_cluster(mut self) -> Self {
        if self.seeds.is_empty() {
            self.seeds.push(self.connection.clone());
        }
        self
    }

    /// Whether this is a cluster.
    pub const fn is_cluster(&self) -> bool {
        !self.seeds.is_empty()
    }

    /// Gives every call so long, in place of one second.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// What every key and channel begins with.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Host and port, without the password; of a cluster, those of the nodes to begin with.
    pub fn address(&self) -> String {
        let several: Vec<_> = self.seeds.iter().map(|seed| seed.addr().to_string()).collect();
        if several.is_empty() { self.connection.addr().to_string() } else { several.join(", ") }
    }

    /// Nodes of the cluster to begin with.
    pub(super) fn seeds(&self) -> Vec<Address> {
        self.seeds.iter().filter_map(|seed| Address::of_connection(seed.addr())).collect()
    }

    /// How long a call may take.
    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How a single connection is made.
    pub(super) fn single(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECTING.min(self.timeout)))
            .set_response_timeout(Some(self.timeout))
    }

    /// RESP3 everywhere: announcements need it, and a command connection learns at once that it is lost.
    pub(super) fn client(&self) -> RedisResult<Client> {
        self.client_of(self.connection.clone())
    }

    /// For a node of the cluster, which is reached as the first one is.
    pub(super) fn client_at(&self, node: &Address) -> RedisResult<Client> {
        self.client_of(self.at_node(node))
    }

    fn at_node(&self, node: &Address) -> ConnectionInfo {
        let mut addr = self.connection.addr().clone();
        match &mut addr {
            ConnectionAddr::TcpTls { host, port, .. } => (*host, *port) = (node.host.clone(), node.port),
            other => *other = ConnectionAddr::Tcp(node.host.clone(), node.port),
        }
        self.connection.clone().set_addr(addr)
    }

    fn client_of(&self, connection: ConnectionInfo) -> RedisResult<Client> {
        let login = connection.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(UNACKNOWLEDGED);
        Client::open(connection.set_redis_settings(login).set_tcp_settings(tcp))
    }
}

/// Shows where, never the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("address", &self.address())
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Why there can be no [`Settings`].
#[derive(Debug, thiserror::Error)]
pub enum InvalidSettings {
    #[error("this is not the URL of a Redis")]
    Url(#[source] RedisError),
    #[error("the prefix of keys in Redis must not be empty or contain braces")]
    Prefix,
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn no_description_of_settings_or_of_what_is_wrong_with_them_shows_the_password() {
        let settings =
            Settings::new("redis://somebody:open-sesame@redis.example:6380/2", "livechat").expect("settings");
        let shown = format!("{settings:?}");
        assert!(shown.contains("redis.example:6380") && !shown.contains("sesame"), "{shown}");
        for url in ["redis://:open-sesame@[nowhere", "redis://:open-sesame@host:no/", "http://:open-sesame@host/", ""] {
            let error = Settings::new(url, "livechat").expect_err("no URL of a Redis");
            let shown = format!("{error:?} {error} {:?}", error.source().map(ToString::to_string));
            assert!(!shown.contains("sesame"), "{shown}");
        }
    }

    #[test]
    fn several_nodes_are_a_cluster_and_share_what_the_first_says() {
        let url = "redis://me:open-sesame@one:6379, two:6380,redis://me:open-sesame@three:6381";
        let settings = Settings::new(url, "livechat").expect("settings");
        assert!(settings.is_cluster());
        assert_eq!(settings.address(), "one:6379, two:6380, three:6381");
        let login = settings.seeds[1].redis_settings();
        assert_eq!((login.username(), login.password()), (Some("me"), Some("open-sesame")));
        let single = Settings::new("redis://one:6379", "livechat").expect("settings");
        assert!(!single.is_cluster() && single.in_cluster().is_cluster());
        assert!(Settings::new("redis://one:6379,", "livechat").is_err());
    }

    #[test]
    fn a_prefix_with_braces_would_take_the_place_of_every_hash_tag() {
        for prefix in ["", "{a}", "a}"] {
            assert!(matches!(Settings::new("redis://localhost", prefix), Err(InvalidSettings::Prefix)));
        }
    }
}
