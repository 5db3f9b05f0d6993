//! TLS: the certificate and key of the server, read at start and again when their files have changed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

use crate::watched_files::WatchedFiles;

/// The name of HTTP/2 in ALPN.
pub(super) const ALPN_HTTP2: &[u8] = b"h2";

/// What the server speaks, best first. Clients that offer nothing get HTTP/1.1.
const ALPN: [&[u8]; 2] = [ALPN_HTTP2, b"http/1.1"];

/// The PEM files of a certificate and its key, and what was in them when they were read.
#[derive(Clone)]
pub struct Certificate {
    files: Files,
    watched: WatchedFiles,
    config: Arc<ServerConfig>,
}

#[derive(Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// Which file cannot be used. Holds a phrase that completes a sentence after "must".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    #[error("TLS_CERT_FILE must {0}")]
    Certificate(String),
    #[error("TLS_KEY_FILE must {0}")]
    Key(String),
}

impl Certificate {
    /// Reads and checks both files: the certificate, followed by its intermediate certificates, and its key.
    pub fn read(certificate: PathBuf, key: PathBuf) -> Result<Self, CertificateError> {
        let watched = WatchedFiles::new(vec![certificate.clone(), key.clone()]);
        let files = Files { certificate, key };
        let config = files.read()?;
        Ok(Self { files, watched, config })
    }

    /// Starts to watch the files. New connections get the certificate that was last read and can be used.
    pub(super) fn start(self) -> ReloadedCertificate {
        let Self { files, watched, config } = self;
        let current = Arc::new(RwLock::new(config));
        let reloaded = Arc::clone(&current);
        let watch = watched.watch(move || match files.read() {
            Ok(config) => {
                *reloaded.write() = config;
                tracing::info!("the certificate was read again; new connections get it");
            }
            Err(error) => {
                tracing::error!(
                    "the files of the certificate have changed and cannot be used; the server goes on with the former \
                     certificate: {error}"
                );
            }
        });
        ReloadedCertificate { current, _watch: watch }
    }
}

/// Hides the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.files.certificate.display())
    }
}

/// The certificate in use. Watches its files until it is dropped.
pub(super) struct ReloadedCertificate {
    current: Arc<RwLock<Arc<ServerConfig>>>,
    _watch: AbortOnDropHandle<()>,
}

impl ReloadedCertificate {
    /// Accepts one connection with the current certificate.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.read()))
    }
}

impl Files {
    fn read(&self) -> Result<Arc<ServerConfig>, CertificateError> {
        use CertificateError::{Certificate, Key};
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(&self.certificate).map_err(Certificate)?)
            .collect::<Result<_, _>>()
            .ok()
            .filter(|chain: &Vec<_>| !chain.is_empty())
            .ok_or_else(|| Certificate("hold a certificate in PEM".to_owned()))?;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key).map_err(Key)?)
            .map_err(|_| Key("hold a key in PEM, without a passphrase".to_owned()))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        // A new configuration forgets the sessions of the former one, so that every client sees the new certificate.
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                Key("be the key of the certificate in TLS_CERT_FILE".to_owned())
            }
            rustls::Error::InvalidCertificate(_) => Certificate(format!("hold a certificate for TLS: {error}")),
            error => Key(format!("hold a key for TLS: {error}")),
        })?;
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok(Arc::new(config))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("be a readable file: {}: {error}", path.display()))
}
