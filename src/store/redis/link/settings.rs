//! Settings of the connections to Redis: addresses, logins, TLS, timeouts and the prefix of all keys.

use std::fmt;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError,
    RedisResult, TlsCertificates, TlsMode,
};

use crate::store::redis::link::slots::Address;
use crate::store::redis::link::tls::{CertificateFiles, InvalidCertificates};

/// How long a connection attempt may take, at most.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const KEEPALIVE: Duration = Duration::from_secs(10);
/// A peer that acknowledges nothing for this long is considered gone.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(3);

/// User name and password, where Redis requires them.
#[derive(Clone, Default)]
pub struct Login {
    pub username: Option<String>,
    pub password: Option<String>,
}

/// The sentinels that name the primary.
#[derive(Clone)]
pub struct Sentinels {
    /// Host and port of each.
    pub addresses: Vec<(String, u16)>,
    /// Their name for the primary.
    pub master: String,
    /// The login at the sentinels, which is not that of Redis.
    pub login: Login,
}

/// How to reach Redis.
#[derive(Clone)]
pub struct Settings {
    connection: ConnectionInfo,
    /// If present, the address of `connection` is unused.
    sentinels: Option<Sentinels>,
    /// The first nodes of a cluster to try; empty for a single Redis.
    pub(in crate::store::redis) seeds: Vec<Address>,
    certificates: Option<TlsCertificates>,
    /// The prefix of every key and channel.
    pub(in crate::store::redis) prefix: String,
    /// How long a call may take.
    pub(in crate::store::redis) timeout: Duration,
    /// How long to wait at start until Redis is usable.
    pub(in crate::store::redis) wait: Duration,
}

impl Settings {
    /// Parses a URL like `redis://user:password@host:6379/0`. `prefix` is that of every key and channel. Several nodes, separated
    /// by commas, are a cluster; all but the first may be `host:port` only. With `rediss://`, call [`with_tls`](Self::with_tls)
    /// next.
    pub fn new(url: &str, prefix: &str) -> Result<Self, InvalidSettings> {
        let (first, others) = url.split_once(',').map_or((url, None), |(first, others)| (first, Some(others)));
        let settings = Self::from_connection(first.trim(), prefix)?;
        let Some(others) = others else { return Ok(settings) };
        let mut settings = settings.in_cluster();
        for other in others.split(',').map(str::trim) {
            match Address::parse(other) {
                Some(address) if !other.contains("://") => settings.seeds.push(address),
                _ => {
                    let connection = other.into_connection_info().map_err(InvalidSettings::Url)?;
                    settings.seeds.extend(Address::of_connection(connection.addr()));
                }
            }
        }
        Ok(settings)
    }

    /// A Redis at this host and port.
    pub fn at(host: &str, port: u16, login: &Login, prefix: &str) -> Result<Self, InvalidSettings> {
        Ok(Self::from_connection((host, port), prefix)?.with_login(login))
    }

    /// The Redis that the sentinels name.
    pub fn by_sentinels(sentinels: Sentinels, login: &Login, prefix: &str) -> Result<Self, InvalidSettings> {
        let (host, port) = sentinels.addresses.first().ok_or(InvalidSettings::NoSentinels)?.clone();
        let settings = Self::from_connection((host, port), prefix)?.with_login(login);
        Ok(Self { sentinels: Some(sentinels), ..settings })
    }

    fn from_connection(connection: impl IntoConnectionInfo, prefix: &str) -> Result<Self, InvalidSettings> {
        let connection = connection.into_connection_info().map_err(InvalidSettings::Url)?;
        if matches!(connection.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
            return Err(InvalidSettings::Insecure);
        }
        if prefix.is_empty() || prefix.contains(['{', '}']) {
            return Err(InvalidSettings::Prefix);
        }
        // CLIENT SETINFO would need one more permission and says no more than the user name.
        let login = connection.redis_settings().clone().set_protocol(ProtocolVersion::RESP3).set_skip_set_lib_name();
        let connection = connection.set_redis_settings(login);
        let (sentinels, seeds, certificates) = (None, Vec::new(), None);
        let (prefix, timeout, wait) = (prefix.to_owned(), Duration::from_secs(1), Duration::ZERO);
        Ok(Self { connection, sentinels, seeds, certificates, prefix, timeout, wait })
    }

    fn with_login(self, login: &Login) -> Self {
        let mut settings = self.connection.redis_settings().clone();
        if let Some(username) = &login.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &login.password {
            settings = settings.set_password(password);
        }
        Self { connection: self.connection.set_redis_settings(settings), ..self }
    }

    /// Treats the Redis as a node of a cluster.
    #[must_use]
    pub fn in_cluster(mut self) -> Self {
        if self.seeds.is_empty() {
            self.seeds.extend(Address::of_connection(self.connection.addr()));
        }
        self
    }

    /// Whether Redis is a cluster.
    pub const fn is_cluster(&self) -> bool {
        !self.seeds.is_empty()
    }

    /// Whether the URL starts with `rediss://`.
    pub fn has_tls_url(&self) -> bool {
        matches!(self.connection.addr(), ConnectionAddr::TcpTls { .. })
    }

    /// Uses TLS for all connections, those to sentinels included.
    pub fn with_tls(self, files: &CertificateFiles) -> Result<Self, InvalidSettings> {
        let certificates = files.read()?;
        let addr = match self.connection.addr().clone() {
            ConnectionAddr::Tcp(host, port) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
            other => other,
        };
        let connection = self.connection.set_addr(addr);
        let client = Client::build_with_tls(connection, certificates.clone()).map_err(InvalidSettings::Url)?;
        let connection = client.get_connection_info().clone();
        Ok(Self { connection, certificates: Some(certificates), ..self })
    }

    /// Sets the timeout of a call. The default is one second.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets how long to wait at start until Redis is usable. The default is not to wait.
    #[must_use]
    pub fn with_wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    /// Host and port, without the password; of a cluster, those of its seeds.
    pub fn address(&self) -> String {
        match &self.sentinels {
            None if self.is_cluster() => self.seeds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            None => self.connection.addr().to_string(),
            Some(Sentinels { addresses, master, .. }) => {
                let addresses: Vec<_> = addresses.iter().map(|(host, port)| format!("{host}:{port}")).collect();
                format!("{master}, as sentinels name it ({})", addresses.join(", "))
            }
        }
    }

    /// The configuration of a connection outside of a pool.
    pub(in crate::store::redis) fn connection_config(&self) -> AsyncConnectionConfig {
        AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT.min(self.timeout)))
            .set_response_timeout(Some(self.timeout))
    }

    /// Whether sentinels name the primary.
    pub(in crate::store::redis) const fn has_sentinels(&self) -> bool {
        self.sentinels.is_some()
    }

    /// A client of a node of the cluster, with the login and TLS settings of the first one.
    pub(in crate::store::redis) fn client_at(&self, node: &Address) -> RedisResult<Client> {
        let mut addr = self.connection.addr().clone();
        match &mut addr {
            ConnectionAddr::TcpTls { host, port, .. } => (*host, *port) = (node.host.clone(), node.port),
            other => *other = ConnectionAddr::Tcp(node.host.clone(), node.port),
        }
        Client::open(self.connection.clone().set_addr(addr).set_tcp_settings(tcp()))
    }

    /// A client of the Redis at the address. It uses RESP3: pub/sub needs it, and with it a command connection notices a loss at
    /// once.
    pub(in crate::store::redis) fn client(&self) -> RedisResult<Client> {
        Client::open(self.connection.clone().set_tcp_settings(tcp()))
    }

    /// A client of the sentinels.
    pub(in crate::store::redis) fn sentinel_client(&self) -> RedisResult<SentinelClient> {
        let (addresses, master, sentinel_login) = match &self.sentinels {
            Some(Sentinels { addresses, master, login }) => (addresses.as_slice(), master.as_str(), login.clone()),
            None => (&[][..], "", Login::default()),
        };
        let addresses = addresses.iter().cloned().map(|(host, port)| match self.certificates {
            None => ConnectionAddr::Tcp(host, port),
            Some(_) => ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None },
        });
        let login = self.connection.redis_settings();
        let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?
            .set_client_to_redis_protocol(ProtocolVersion::RESP3)
            .set_client_to_redis_tcp_settings(tcp())
            .set_client_to_sentinel_tcp_settings(tcp());
        if let Some(username) = login.username() {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = login.password() {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(username) = sentinel_login.username {
            builder = builder.set_client_to_sentinel_username(username);
        }
        if let Some(password) = sentinel_login.password {
            builder = builder.set_client_to_sentinel_password(password);
        }
        if let Some(certificates) = &self.certificates {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        builder.build()
    }
}

fn tcp() -> TcpSettings {
    let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
    #[cfg(target_os = "linux")]
    let tcp = tcp.set_user_timeout(USER_TIMEOUT);
    tcp
}

/// Shows the address, never the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("address", &self.address())
            .field("tls", &self.certificates.is_some())
            .field("prefix", &self.prefix)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Why [`Settings`] are invalid.
#[derive(Debug, thiserror::Error)]
pub enum InvalidSettings {
    #[error("not a Redis URL")]
    Url(#[source] RedisError),
    #[error("TLS without verification is not supported; set the authority of a self-signed certificate instead")]
    Insecure,
    #[error("at least one sentinel is required")]
    NoSentinels,
    #[error(transparent)]
    Certificates(#[from] InvalidCertificates),
    #[error("the prefix of keys in Redis must not be empty or contain braces")]
    Prefix,
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn neither_settings_nor_their_errors_show_the_password() {
        let settings =
            Settings::new("redis://somebody:open-sesame@redis.example:6380/2", "livechat").expect("settings");
        let shown = format!("{settings:?}");
        assert!(shown.contains("redis.example:6380") && !shown.contains("sesame"), "{shown}");
        for url in ["redis://:open-sesame@[nowhere", "redis://:open-sesame@host:no/", "http://:open-sesame@host/", ""] {
            let error = Settings::new(url, "livechat").expect_err("not a Redis URL");
            let shown = format!("{error:?} {error} {:?}", error.source().map(ToString::to_string));
            assert!(!shown.contains("sesame"), "{shown}");
        }
    }

    #[test]
    fn several_nodes_are_a_cluster_and_share_the_login_of_the_first() {
        let url = "redis://me:open-sesame@one:6379, two:6380,redis://me:open-sesame@three:6381";
        let settings = Settings::new(url, "livechat").expect("settings");
        assert!(settings.is_cluster());
        assert_eq!(settings.address(), "one:6379, two:6380, three:6381");
        let client = settings.client_at(&settings.seeds[1]).expect("a client");
        let connection = client.get_connection_info();
        let login = connection.redis_settings();
        assert_eq!(connection.addr().to_string(), "two:6380");
        assert_eq!((login.username(), login.password()), (Some("me"), Some("open-sesame")));
        let single = Settings::new("redis://one:6379", "livechat").expect("settings");
        assert!(!single.is_cluster() && single.in_cluster().is_cluster());
        assert!(Settings::new("redis://one:6379,", "livechat").is_err());
    }
}
