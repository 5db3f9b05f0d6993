//! Which store is used, and how Redis is found and reached.

use std::path::PathBuf;
use std::time::Duration;

use super::{
    ConfigError, DATA_DIR, ON_OR_OFF, REDIS_CA_FILE, REDIS_CERT_FILE, REDIS_CLUSTER, REDIS_HOST, REDIS_KEY_FILE,
    REDIS_PASSWORD, REDIS_PORT, REDIS_PREFIX, REDIS_SENTINEL_MASTER, REDIS_SENTINEL_PASSWORD, REDIS_SENTINEL_USERNAME,
    REDIS_SENTINELS, REDIS_TIMEOUT, REDIS_TLS, REDIS_URL, REDIS_USERNAME, Setting, Source, StoreChoice, invalid,
};
use crate::store::redis;

impl Source<'_> {
    /// Redis when its URL, its host or its sentinels are set, the embedded store otherwise.
    pub(super) fn store(&self) -> Result<StoreChoice, ConfigError> {
        let (url, host, sentinels) = (self.text(&REDIS_URL), self.text(&REDIS_HOST), self.text(&REDIS_SENTINELS));
        let port = self.number(&REDIS_PORT, 1, u16::MAX)?;
        let prefix = self.text(&REDIS_PREFIX);
        let in_cluster = self.choice(&REDIS_CLUSTER, &[("true", true), ("false", false)])?;
        let timeout = self.duration(&REDIS_TIMEOUT, Duration::from_millis(100), Duration::from_secs(60))?;
        let tls = self.choice(&REDIS_TLS, ON_OR_OFF)?;
        let login = self.login(&REDIS_USERNAME, &REDIS_PASSWORD);
        let settings = if !sentinels.is_empty() {
            if !(url.is_empty() && host.is_empty()) {
                return Err(invalid(&REDIS_SENTINELS, "must stand without REDIS_URL and REDIS_HOST"));
            }
            if in_cluster {
                return Err(invalid(&REDIS_SENTINELS, "must stand without REDIS_CLUSTER, which needs no sentinels"));
            }
            redis::Settings::by_sentinels(self.sentinels(sentinels)?, &login, prefix)
        } else if !url.is_empty() {
            redis::Settings::new(url, prefix)
        } else if !host.is_empty() {
            redis::Settings::at(host, port, &login, prefix)
        } else {
            return Ok(StoreChoice::Embedded(PathBuf::from(self.text(&DATA_DIR))));
        };
        let settings = settings.and_then(|settings| {
            if tls || settings.asks_for_tls() { settings.with_tls(&self.certificate_files()) } else { Ok(settings) }
        });
        let settings = settings.map_err(Self::invalid_redis)?;
        if !settings.has_tls() {
            for setting in [&REDIS_CA_FILE, &REDIS_CERT_FILE, &REDIS_KEY_FILE] {
                if !self.text(setting).is_empty() {
                    return Err(invalid(setting, "must stand beside REDIS_TLS=on or a REDIS_URL with rediss://"));
                }
            }
        }
        let settings = if in_cluster { settings.in_cluster() } else { settings };
        Ok(StoreChoice::Redis(Box::new(settings.with_timeout(timeout))))
    }

    fn login(&self, username: &Setting, password: &Setting) -> redis::Login {
        let given = |setting| Some(self.text(setting).to_owned()).filter(|text| !text.is_empty());
        redis::Login { username: given(username), password: given(password) }
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
