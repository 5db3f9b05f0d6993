//! Reads the certificate of the server and its key.

use crate::config::settings::*;
use crate::config::source::{ConfigError, Source, invalid};
use crate::http::{Certificate, CertificateError};

impl Source {
    /// The certificate; `None` without TLS.
    pub(super) fn certificate(&self) -> Result<Option<Certificate>, ConfigError> {
        let missing =
            |setting: &'static str, other: &str| invalid(setting, format!("must be set too, as {other} is set"));
        let (certificate, key) = (TLS_CERT_FILE.info.name, TLS_KEY_FILE.info.name);
        match (self.get(&TLS_CERT_FILE)?, self.get(&TLS_KEY_FILE)?) {
            (None, None) => Ok(None),
            (Some(_), None) => Err(missing(key, certificate)),
            (None, Some(_)) => Err(missing(certificate, key)),
            (Some(certificate_file), Some(key_file)) => {
                Certificate::read(certificate_file, key_file).map(Some).map_err(|error| match error {
                    CertificateError::Certificate(problem) => invalid(certificate, format!("must {problem}")),
                    CertificateError::Key(problem) => invalid(key, format!("must {problem}")),
                })
            }
        }
    }
}
