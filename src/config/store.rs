//! Chooses the store, and reads the address, login and certificates of Redis.

use std::path::PathBuf;

use crate::config::StoreChoice;
use crate::config::settings::*;
use crate::config::source::{ConfigError, Source, invalid};
use crate::store::redis::{CertificateFiles, InvalidCertificates, InvalidSettings, Login, Sentinels, Settings};

impl Source {
    /// Redis when its URL, its host or its sentinels are set, the embedded store otherwise. Settings that do not apply to the
    /// chosen store are not read.
    pub(super) fn store(&self) -> Result<StoreChoice, ConfigError> {
        let (url, host, addresses) = (self.get(&REDIS_URL)?, self.get(&REDIS_HOST)?, self.get(&REDIS_SENTINELS)?);
        if url.is_empty() && host.is_empty() && addresses.is_empty() {
            return Ok(StoreChoice::Embedded(self.get(&DATA_DIR)?));
        }
        let prefix = self.get(&REDIS_PREFIX)?;
        let has_sentinels = !addresses.is_empty();
        let settings = if has_sentinels {
            let refuse = |problem| Err(invalid(REDIS_SENTINELS.info.name, problem));
            if !(url.is_empty() && host.is_empty()) {
                return refuse("must not be combined with REDIS_URL or REDIS_HOST");
            }
            if self.get(&REDIS_CLUSTER)? {
                return refuse("must not be combined with REDIS_CLUSTER, which needs no sentinels");
            }
            let login = self.login(&REDIS_SENTINEL_USERNAME, &REDIS_SENTINEL_PASSWORD)?;
            let sentinels = Sentinels { addresses, master: self.get(&REDIS_SENTINEL_MASTER)?, login };
            Settings::by_sentinels(sentinels, &self.redis_login()?, &prefix)
        } else if !url.is_empty() {
            Settings::new(&url, &prefix)
        } else {
            Settings::at(&host, self.get(&REDIS_PORT)?, &self.redis_login()?, &prefix)
        };
        let settings = self.with_tls(settings.map_err(invalid_redis)?)?;
        let is_cluster = settings.is_cluster() || (!has_sentinels && self.get(&REDIS_CLUSTER)?);
        let settings = if is_cluster { settings.in_cluster() } else { settings };
        let settings = settings.with_timeout(self.get(&REDIS_TIMEOUT)?).with_wait(self.get(&REDIS_WAIT)?);
        Ok(StoreChoice::Redis(Box::new(settings)))
    }

    fn with_tls(&self, settings: Settings) -> Result<Settings, ConfigError> {
        let is_used = settings.has_tls_url() || self.get(&REDIS_TLS)?;
        let file = |setting: &Setting<Option<PathBuf>>| {
            let path = self.get(setting)?;
            if path.is_some() && !is_used {
                let problem = "must not be set without TLS; set REDIS_TLS=on, or a REDIS_URL with rediss://";
                return Err(invalid(setting.info.name, problem));
            }
            Ok(path)
        };
        let files = CertificateFiles {
            authorities: file(&REDIS_CA_FILE)?,
            certificate: file(&REDIS_CERT_FILE)?,
            key: file(&REDIS_KEY_FILE)?,
        };
        if is_used { settings.with_tls(&files).map_err(invalid_redis) } else { Ok(settings) }
    }

    fn redis_login(&self) -> Result<Login, ConfigError> {
        self.login(&REDIS_USERNAME, &REDIS_PASSWORD)
    }

    fn login(&self, username: &Setting<String>, password: &Setting<String>) -> Result<Login, ConfigError> {
        let non_empty = |text: String| Some(text).filter(|text| !text.is_empty());
        let password = self.password(password)?.to_owned();
        Ok(Login { username: non_empty(self.get(username)?), password: non_empty(password) })
    }
}

/// Names the setting that is invalid.
fn invalid_redis(error: InvalidSettings) -> ConfigError {
    match error {
        InvalidSettings::Prefix => invalid(REDIS_PREFIX.info.name, "must not contain braces"),
        // Without the cause, which may quote the URL and its password.
        InvalidSettings::Url(_) => invalid(
            REDIS_URL.info.name,
            "must be an address like redis://:password@host:6379/0, or those of several nodes, separated by commas",
        ),
        InvalidSettings::Insecure => {
            invalid(REDIS_URL.info.name, "must not end with #insecure; set REDIS_CA_FILE instead")
        }
        InvalidSettings::NoSentinels => invalid(REDIS_SENTINELS.info.name, "must name at least one sentinel"),
        InvalidSettings::Certificates(error) => {
            let (setting, problem) = match error {
                InvalidCertificates::Authorities(problem) => (&REDIS_CA_FILE, problem),
                InvalidCertificates::Certificate(problem) => (&REDIS_CERT_FILE, problem),
                InvalidCertificates::Key(problem) => (&REDIS_KEY_FILE, problem),
            };
            invalid(setting.info.name, format!("must {problem}"))
        }
    }
}
