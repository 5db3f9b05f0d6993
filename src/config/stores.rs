//! Which store is used, and how Redis is found and reached.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{
    ConfigError, DATA_DIR, ON_OR_OFF, REDIS_CA_FILE, REDIS_CERT_FILE, REDIS_CLUSTER, REDIS_HOST, REDIS_KEY_FILE,
    REDIS_PASSWORD, REDIS_PORT, REDIS_PREFIX, REDIS_SENTINEL_MASTER, REDIS_SENTINEL_PASSWORD, REDIS_SENTINEL_USERNAME,
    REDIS_SENTINELS, REDIS_TIMEOUT, REDIS_TLS, REDIS_URL, REDIS_USERNAME, REDIS_WAIT, Setting, Source, StoreChoice,
    invalid,
};
use crate::store::redis;

impl Source<'_> {
    /// Redis when its URL, its host or its sentinels are set, the embedded store otherwise. Settings of a store that is not
    /// used are not looked at, nor are those that another one stands in place of.
    pub(super) fn store(&self) -> Result<StoreChoice, ConfigError> {
        let (url, host, sentinels) = (self.text(&REDIS_URL), self.text(&REDIS_HOST), self.text(&REDIS_SENTINELS));
        if url.is_empty() && host.is_empty() && sentinels.is_empty() {
            return Ok(StoreChoice::Embedded(PathBuf::from(self.text(&DATA_DIR))));
        }
        let prefix = self.text(&REDIS_PREFIX);
        let settings = if !sentinels.is_empty() {
            if !(url.is_empty() && host.is_empty()) {
                return Err(invalid(&REDIS_SENTINELS, "must stand without REDIS_URL and REDIS_HOST"));
            }
            if self.is_in_cluster()? {
                return Err(invalid(&REDIS_SENTINELS, "must stand without REDIS_CLUSTER, which needs no sentinels"));
            }
            redis::Settings::by_sentinels(self.sentinels(sentinels)?, &self.redis_login(), prefix)
        } else if !url.is_empty() {
            redis::Settings::new(url, prefix)
        } else {
            redis::Settings::at(host, self.redis_port()?, &self.redis_login(), prefix)
        };
        let settings = settings.map_err(Self::invalid_redis)?;
        let settings = if settings.asks_for_tls() || self.choice(&REDIS_TLS, ON_OR_OFF)? {
            settings.with_tls(&self.certificate_files()).map_err(Self::invalid_redis)?
        } else {
            // Whoever names these files expects TLS.
            for setting in [&REDIS_CA_FILE, &REDIS_CERT_FILE, &REDIS_KEY_FILE] {
                if !self.text(setting).is_empty() {
                    return Err(invalid(setting, "must stand beside REDIS_TLS=on or a REDIS_URL with rediss://"));
                }
            }
            settings
        };
        let is_cluster = settings.is_cluster() || (sentinels.is_empty() && self.is_in_cluster()?);
        let settings = if is_cluster { settings.in_cluster() } else { settings };
        let timeout = self.duration(&REDIS_TIMEOUT, Duration::from_millis(100), Duration::from_secs(60))?;
        let wait = self.duration(&REDIS_WAIT, Duration::ZERO, Duration::from_secs(3_600))?;
        Ok(StoreChoice::Redis(Box::new(settings.with_timeout(timeout).with_wait(wait))))
    }

    fn is_in_cluster(&self) -> Result<bool, ConfigError> {
        self.choice(&REDIS_CLUSTER, &[("true", true), ("false", false)])
    }

    fn redis_port(&self) -> Result<u16, ConfigError> {
        if self.text(&REDIS_PORT).starts_with("tcp://") {
            return Err(invalid(
                &REDIS_PORT,
                "must be a port, and this is what Kubernetes sets for a service named redis; set REDIS_PORT yourself, use \
                 REDIS_URL in place of REDIS_HOST, or set enableServiceLinks: false in the pod",
            ));
        }
        self.number(&REDIS_PORT, 1, u16::MAX)
    }

    fn redis_login(&self) -> redis::Login {
        self.login(&REDIS_USERNAME, &REDIS_PASSWORD)
    }

    fn login(&self, username: &Setting, password: &Setting) -> redis::Login {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        redis::Login { username: given(self.text(username)), password: given(self.password(password)) }
    }

    fn sentinels(&self, addresses: &str) -> Result<redis::Sentinels, ConfigError> {
        let read = |address: &str| {
            let (host, port) = address.trim().rsplit_once(':')?;
            let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            let port = port.parse().ok().filter(|port| *port != 0)?;
            (!host.is_empty() && !host.contains(['/', '@'])).then(|| (host.to_owned(), port))
        };
        let problem = || invalid(&REDIS_SENTINELS, "must be hosts and ports like one:26379,two:26379");
        Ok(redis::Sentinels {
            addresses: addresses.split(',').map(read).collect::<Option<_>>().ok_or_else(problem)?,
            master: self.text(&REDIS_SENTINEL_MASTER).to_owned(),
            login: self.login(&REDIS_SENTINEL_USERNAME, &REDIS_SENTINEL_PASSWORD),
        })
    }

    fn certificate_files(&self) -> redis::CertificateFiles {
        let file = |setting| Some(PathBuf::from(self.text(setting))).filter(|path| !path.as_os_str().is_empty());
        redis::CertificateFiles {
            authorities: file(&REDIS_CA_FILE),
            certificate: file(&REDIS_CERT_FILE),
            key: file(&REDIS_KEY_FILE),
        }
    }

    fn invalid_redis(error: redis::InvalidSettings) -> ConfigError {
        use redis::{InvalidCertificates, InvalidSettings};
        match error {
            InvalidSettings::Prefix => invalid(&REDIS_PREFIX, "must not contain braces"),
            // The cause is left out: it may quote the address, and with it the password.
            InvalidSettings::Url(_) => invalid(
                &REDIS_URL,
                "must be an address like redis://:password@host:6379/0, or those of several nodes, separated by commas",
            ),
            InvalidSettings::Insecure => invalid(&REDIS_URL, "must not end with #insecure; set REDIS_CA_FILE instead"),
            InvalidSettings::NoSentinels => invalid(&REDIS_SENTINELS, "must name one sentinel at least"),
            InvalidSettings::Certificates(error) => match error {
                InvalidCertificates::Authorities(problem) => invalid(&REDIS_CA_FILE, format!("must {problem}")),
                InvalidCertificates::Certificate(problem) => invalid(&REDIS_CERT_FILE, format!("must {problem}")),
                InvalidCertificates::Key(problem) => invalid(&REDIS_KEY_FILE, format!("must {problem}")),
            },
        }
    }
}
