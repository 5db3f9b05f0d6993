//! Why Redis cannot be used, in sentences for whoever starts the server: each names the setting to look at.

use std::error::Error;
use std::io;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use rustls::{AlertDescription, CertificateError, InvalidMessage};

/// Redis could not be reached, or turned us away, at start.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to Redis at {address}{}", .why.advice())]
pub(super) struct NoConnection {
    address: String,
    why: Why,
    source: RedisError,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Unknown,
    Silent,
    TurnedAway,
    NoRight,
    NoPrimary,
    NoTls,
    UnknownAuthority,
    OtherName,
    OutOfDate,
    WantsCertificate,
    RefusesCertificate,
}

impl Why {
    const fn advice(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Silent => {
                ": it does not answer in time; look at the address, and whether it speaks TLS there (REDIS_TLS, rediss://)"
            }
            Self::TurnedAway => {
                ": it wants another user or password; set REDIS_USERNAME and REDIS_PASSWORD, or those in REDIS_URL (for sentinels REDIS_SENTINEL_PASSWORD)"
            }
            Self::NoRight => ": the user lacks a right; docs/operations.md has the line that gives all of them",
            Self::NoPrimary => {
                ": no sentinel knows a primary that works under this name; look at REDIS_SENTINELS and REDIS_SENTINEL_MASTER"
            }
            Self::NoTls => ": it does not speak TLS there; look at the port, REDIS_TLS and the rediss:// of REDIS_URL",
            Self::UnknownAuthority => {
                ": its certificate is signed by nobody who is trusted here; set REDIS_CA_FILE to who signed it"
            }
            Self::OtherName => {
                ": its certificate is for another name; use a name that stands in it, in REDIS_URL or REDIS_HOST"
            }
            Self::OutOfDate => ": its certificate has expired or is not valid yet; renew it, or look at the clocks",
            Self::WantsCertificate => ": it wants a certificate of ours; set REDIS_CERT_FILE and REDIS_KEY_FILE",
            Self::RefusesCertificate => {
                ": it refuses our certificate; REDIS_CERT_FILE has expired, or is signed by nobody whom it trusts"
            }
        }
    }
}

impl NoConnection {
    pub fn new(address: String, source: RedisError) -> Self {
        let why = match tls_error(&source) {
            Some(error) => why_no_tls(error),
            None if matches!(source.kind(), ErrorKind::AuthenticationFailed)
                || matches!(source.code(), Some("NOAUTH" | "WRONGPASS")) =>
            {
                Why::TurnedAway
            }
            None if source.is_timeout() => Why::Silent,
            None if is_denied(&source) => Why::NoRight,
            None => match source.kind() {
                ErrorKind::MasterNameNotFoundBySentinel => Why::NoPrimary,
                _ => Why::Unknown,
            },
        };
        Self { address, why, source }
    }
}

/// A command was refused, which it was not at start.
#[derive(Debug, thiserror::Error)]
#[error("the user of Redis lacks a right; docs/operations.md has the line that gives all of them")]
pub(super) struct NoRight(#[source] pub RedisError);

/// Whether this user may not do that. What happens inside of a script is wrapped, in other words with each version.
pub(super) fn is_denied(error: &RedisError) -> bool {
    const IN_SCRIPTS: [&str; 3] = ["ser executing the script", "ACL failure in script", "-NOPERM "];
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoPerm))
        || error.detail().is_some_and(|detail| IN_SCRIPTS.iter().any(|words| detail.contains(words)))
}

fn why_no_tls(error: &rustls::Error) -> Why {
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Why::OutOfDate,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Why::OtherName,
            _ => Why::UnknownAuthority,
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Why::NoTls,
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => Why::WantsCertificate,
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            // Signed by another authority of the same name.
            | AlertDescription::DecryptError => Why::RefusesCertificate,
            _ => Why::Unknown,
        },
        _ => Why::Unknown,
    }
}

/// What TLS had against it. It sits inside of an error of reading or writing, which does not show it as its source.
fn tls_error(error: &RedisError) -> Option<&rustls::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let inside = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inside = inside.map(|inside| inside as &(dyn Error + 'static));
        if let Some(found) = error.downcast_ref().or_else(|| inside?.downcast_ref()) {
            return Some(found);
        }
        // A shared error is not the error itself to whoever asks for its type.
        cause = error
            .downcast_ref::<std::sync::Arc<dyn Error + Send + Sync>>()
            .map_or_else(|| inside.or_else(|| error.source()), |shared| Some(shared.as_ref()));
    }
    None
}
