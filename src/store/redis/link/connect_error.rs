//! Why Redis cannot be used, in sentences for whoever starts the server: each names the setting to look at.

use std::error::Error;
use std::io;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use rustls::{AlertDescription, CertificateError, InvalidMessage};
use tokio::time::error::Elapsed;

use crate::store::StoreError;

/// Redis could not be reached, or turned us away, at start.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to Redis at {address}{}", .why.advice())]
pub(in crate::store::redis) struct NoConnection {
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

    /// Whether it may succeed a little later.
    pub fn is_temporary(&self) -> bool {
        match self.why {
            Why::Silent | Why::NoPrimary => true,
            Why::Unknown => is_temporary_error(&self.source),
            Why::TurnedAway
            | Why::NoRight
            | Why::NoTls
            | Why::UnknownAuthority
            | Why::OtherName
            | Why::OutOfDate
            | Why::WantsCertificate
            | Why::RefusesCertificate => false,
        }
    }
}

/// A cluster that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::store::redis) enum Unusable {
    #[error("this cluster runs Redis {0}, but LiveChat needs Redis 7 or later there; a single Redis may be older")]
    TooOld(String),
    #[error("the Redis at {0} is no node of a cluster; name it alone in REDIS_URL and leave REDIS_CLUSTER out")]
    NoCluster(String),
    #[error("no node of the cluster says how it stands")]
    Silent,
    #[error("no node of the cluster has any slot; it has not been put together yet")]
    NoSlots,
}

impl Unusable {
    /// Whether it may be usable a little later.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Silent | Self::NoSlots)
    }
}

/// A command was refused, which it was not at start.
#[derive(Debug, thiserror::Error)]
#[error("the user of Redis lacks a right; docs/operations.md has the line that gives all of them")]
pub(in crate::store::redis) struct NoRight(#[source] pub RedisError);

/// Whether this user may not do that. What happens inside of a script is wrapped, in other words with each version.
pub(in crate::store::redis) fn is_denied(error: &RedisError) -> bool {
    const IN_SCRIPTS: [&str; 3] = ["ser executing the script", "ACL failure in script", "-NOPERM "];
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoPerm))
        || error.detail().is_some_and(|detail| IN_SCRIPTS.iter().any(|words| detail.contains(words)))
}

/// Whether Redis may be usable a little later without anybody changing anything: it is not there yet, or loads its data, or
/// waits for others. A wrong password, a refused certificate or a missing right stay what they are.
pub(in crate::store::redis) fn is_temporary(error: &StoreError) -> bool {
    let StoreError::Unavailable(cause) = error else { return false };
    if let Some(refused) = cause.downcast_ref::<NoConnection>() {
        return refused.is_temporary();
    }
    if let Some(unusable) = cause.downcast_ref::<Unusable>() {
        return unusable.is_temporary();
    }
    cause.downcast_ref().is_some_and(is_temporary_error) || cause.is::<Elapsed>()
}

/// The same of what Redis, or the way there, said.
fn is_temporary_error(error: &RedisError) -> bool {
    match error.kind() {
        ErrorKind::Io | ErrorKind::MasterNameNotFoundBySentinel => tls_error(error).is_none(),
        ErrorKind::Server(
            ServerErrorKind::BusyLoading
            | ServerErrorKind::MasterDown
            | ServerErrorKind::ClusterDown
            | ServerErrorKind::ReadOnly
            | ServerErrorKind::TryAgain,
        ) => true,
        ErrorKind::Server(ServerErrorKind::ResponseError) => is_wrapped_outage(error),
        _ => false,
    }
}

/// Whether a cluster says that it works for nobody now.
pub(in crate::store::redis) fn is_cluster_down(error: &StoreError) -> bool {
    let StoreError::Unavailable(cause) = error else { return false };
    let kind = cause.downcast_ref::<RedisError>().map(RedisError::kind);
    matches!(kind, Some(ErrorKind::Server(ServerErrorKind::ClusterDown)))
}

/// Whether an `ERR` stands for an outage. Before version 7, Redis wraps what went wrong inside a script into one.
pub(in crate::store::redis) fn is_wrapped_outage(error: &RedisError) -> bool {
    const OUTAGES: [&str; 8] = [
        "-OOM ",
        "-READONLY ",
        "-MISCONF ",
        "-LOADING ",
        "-NOREPLICAS ",
        "-MASTERDOWN ",
        "-CLUSTERDOWN ",
        "max number of clients",
    ];
    OUTAGES.iter().any(|outage| says(error, outage))
}

pub(in crate::store::redis) fn says(error: &RedisError, words: &str) -> bool {
    error.detail().is_some_and(|detail| detail.contains(words))
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
