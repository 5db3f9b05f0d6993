//! Certificate files for TLS. They are read and checked once, before the first connection.

use std::path::PathBuf;

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// PEM files for TLS. All of them are optional.
#[derive(Clone, Debug, Default)]
pub struct CertificateFiles {
    /// The authorities that may sign the certificate of Redis, instead of those that browsers trust.
    pub authorities: Option<PathBuf>,
    /// The client certificate, followed by its intermediate certificates.
    pub certificate: Option<PathBuf>,
    /// The key of the client certificate.
    pub key: Option<PathBuf>,
}

/// Which of [`CertificateFiles`] is invalid. Holds a phrase that completes a sentence after "must".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCertificates {
    #[error("the authorities must {0}")]
    Authorities(String),
    #[error("the certificate must {0}")]
    Certificate(String),
    #[error("the key must {0}")]
    Key(String),
}

impl CertificateFiles {
    /// Reads and checks the files. They are not read again: a new certificate takes effect at the next start.
    pub(in crate::store::redis) fn read(&self) -> Result<TlsCertificates, InvalidCertificates> {
        use InvalidCertificates::{Authorities, Certificate, Key};
        // The provider is global; another part of the process may have installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let root_cert = self.authorities.as_ref().map(read).transpose().map_err(Authorities)?;
        let mut trusted = RootCertStore::empty();
        if let Some(pem) = &root_cert {
            let unreadable = || Authorities("hold at least one certificate in PEM".to_owned());
            for authority in certificates(pem).ok_or_else(unreadable)? {
                trusted
                    .add(authority)
                    .map_err(|error| Authorities(format!("hold certificates of authorities: {error}")))?;
            }
        }
        let client_tls = match (&self.certificate, &self.key) {
            (None, None) => None,
            (Some(_), None) => return Err(Key("be set too, as there is a certificate".to_owned())),
            (None, Some(_)) => return Err(Certificate("be set too, as there is a key".to_owned())),
            (Some(certificate), Some(key)) => {
                let (client_cert, client_key) = (read(certificate).map_err(Certificate)?, read(key).map_err(Key)?);
                let chain =
                    certificates(&client_cert).ok_or_else(|| Certificate("hold a certificate in PEM".to_owned()))?;
                let secret = PrivateKeyDer::from_pem_slice(&client_key)
                    .map_err(|_| Key("hold a key in PEM, without a passphrase".to_owned()))?;
                ClientConfig::builder()
                    .with_root_certificates(trusted)
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| Key(format!("match the certificate: {error}")))?;
                Some(ClientTlsConfig { client_cert, client_key })
            }
        };
        Ok(TlsCertificates { client_tls, root_cert })
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("be a readable file: {}: {error}", path.display()))
}

/// The certificates in a file; `None` if there are none or they are invalid.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok().filter(|found| !found.is_empty())
}
