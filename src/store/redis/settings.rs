//! Where Redis is and how it is reached. What goes over a connection once there is one is `connection`'s and `feed`'s.

use std::fmt;
use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError, RedisResult,
};

pub(super) const CONNECTING: Duration = Duration::from_secs(1);
const KEEPALIVE: Duration = Duration::from_secs(10);
/// A peer that acknowledges nothing for so long is gone.
#[cfg(target_os = "linux")]
const UNACKNOWLEDGED: Duration = Duration::from_secs(3);

/// How Redis is reached and used.
#[derive(Clone)]
pub struct Settings {
    connection: ConnectionInfo,
    prefix: String,
    timeout: Duration,
}

impl Settings {
    /// A Redis by its URL, as in `redis://user:password@host:6379/0`, and the prefix of every key and channel there.
    pub fn new(url: &str, prefix: &str) -> Result<Self, InvalidSettings> {
        Self::of(url, prefix)
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
        Ok(Self { connection, prefix: prefix.to_owned(), timeout: Duration::from_secs(1) })
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

    /// Host and port, without the password.
    pub fn address(&self) -> String {
        self.connection.addr().to_string()
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
        let login = self.connection.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
        #[cfg(target_os = "linux")]
        let tcp = tcp.set_user_timeout(UNACKNOWLEDGED);
        Client::open(self.connection.clone().set_redis_settings(login).set_tcp_settings(tcp))
    }
}

/// Shows where, never the password.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("address", &self.connection.addr().to_string())
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
    fn a_prefix_with_braces_would_take_the_place_of_every_hash_tag() {
        for prefix in ["", "{a}", "a}"] {
            assert!(matches!(Settings::new("redis://localhost", prefix), Err(InvalidSettings::Prefix)));
        }
    }
}
