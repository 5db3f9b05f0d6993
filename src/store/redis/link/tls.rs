//! The files that TLS needs: read and checked once, before anything is connected.

use std::path::PathBuf;

use redis::{ClientTlsConfig, TlsCertificates};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// PEM files: who is trusted, and who we are. All of them may be absent.
#[derive(Clone, Debug, Default)]
pub struct CertificateFiles {
    /// Who may sign the certificate of a Redis, in place of the authorities that browsers trust.
    pub authorities: Option<PathBuf>,
    /// Our certificate, with those between it and its authority behind it.
    pub certificate: Option<PathBuf>,
    /// The key of our certificate.
    pub key: Option<PathBuf>,
}

/// Which of [`CertificateFiles`] cannot be used, and why, as the end of a sentence that begins with "must".
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
    /// Reads them. What they say is not looked at again: a new certificate is used from the next start on.
    pub(in crate::store::redis) fn read(&self) -> Result<TlsCertificates, InvalidCertificates> {
        use InvalidCertificates::{Authorities, Certificate, Key};
        // There is one only; another part of the process may have been earlier.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let root_cert = self.authorities.as_ref().map(read).transpose().map_err(Authorities)?;
        let mut trusted = RootCertStore::empty();
        if let Some(pem) = &root_cert {
            let unreadable = || Authorities("hold certificates in PEM, one at least".to_owned());
            for authority in certificates(pem).ok_or_else(unreadable)? {
                trusted
                    .add(authority)
                    .map_err(|error| Authorities(format!("hold certificates of authorities: {error}")))?;
            }
        }
        let client_tls = match (&self.certificate, &self.key) {
            (None, None) => None,
            (Some(_), None) => return Err(Key("be there, as there is a certificate".to_owned())),
            (None, Some(_)) => return Err(Certificate("be there, as there is a key".to_owned())),
            (Some(certificate), Some(key)) => {
                let (client_cert, client_key) = (read(certificate).map_err(Certificate)?, read(key).map_err(Key)?);
                let chain =
                    certificates(&client_cert).ok_or_else(|| Certificate("hold a certificate in PEM".to_owned()))?;
                let secret = PrivateKeyDer::from_pem_slice(&client_key)
                    .map_err(|_| Key("hold a key in PEM, without a passphrase".to_owned()))?;
                ClientConfig::builder()
                    .with_root_certificates(trusted)
                    .with_client_auth_cert(chain, secret)
                    .map_err(|error| Key(format!("be that of the certificate: {error}")))?;
                Some(ClientTlsConfig { client_cert, client_key })
            }
        };
        Ok(TlsCertificates { client_tls, root_cert })
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("be a file that can be read: {}: {error}", path.display()))
}

/// The certificates in a file; `None` without any.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok().filter(|found| !found.is_empty())
}
