//! Why Redis cannot be used at start, with advice that names the setting to check.

use std::error::Error;
use std::io;
use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use rustls::{AlertDescription, CertificateError, InvalidMessage};
use tokio::time::error::Elapsed;

use crate::store::StoreError;
use crate::store::redis::link::error::{is_permission_denied, is_wrapped_outage};

/// Redis could not be reached, or rejected us.
#[derive(Debug, thiserror::Error)]
#[error("cannot connect to Redis at {address}{reason}")]
pub struct ConnectError {
    address: String,
    reason: Reason,
    source: RedisError,
}

/// Displays as advice that completes the sentence of [`ConnectError`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Reason {
    #[error("")]
    Unknown,
    #[error(": it did not answer in time; check the address, and whether it expects TLS (REDIS_TLS, rediss://)")]
    TimedOut,
    #[error(
        ": it rejected the user or the password; set REDIS_USERNAME and REDIS_PASSWORD, or those in REDIS_URL \
         (for sentinels REDIS_SENTINEL_PASSWORD)"
    )]
    AuthenticationFailed,
    #[error(": the user lacks a permission; docs/operations.md has the ACL line that grants all of them")]
    PermissionDenied,
    #[error(": no sentinel knows a working primary of this name; check REDIS_SENTINELS and REDIS_SENTINEL_MASTER")]
    PrimaryNotFound,
    #[error(": it does not speak TLS on this port; check the port, REDIS_TLS and the rediss:// of REDIS_URL")]
    NotTls,
    #[error(
        ": its certificate is signed by an unknown authority; set REDIS_CA_FILE to the certificate of that authority"
    )]
    UnknownAuthority,
    #[error(": its certificate is for another name; use a name of the certificate in REDIS_URL or REDIS_HOST")]
    NameMismatch,
    #[error(": its certificate has expired or is not valid yet; renew it, or check the clocks")]
    CertificateExpired,
    #[error(": it requires a client certificate; set REDIS_CERT_FILE and REDIS_KEY_FILE")]
    ClientCertificateRequired,
    #[error(": it rejected our client certificate; REDIS_CERT_FILE has expired, or Redis does not trust its authority")]
    ClientCertificateRejected,
}

impl ConnectError {
    pub fn new(address: String, source: RedisError) -> Self {
        let reason = match tls_error(&source) {
            Some(error) => tls_reason(error),
            None if matches!(source.kind(), ErrorKind::AuthenticationFailed)
                || matches!(source.code(), Some("NOAUTH" | "WRONGPASS")) =>
            {
                Reason::AuthenticationFailed
            }
            None if source.is_timeout() => Reason::TimedOut,
            None if is_permission_denied(&source) => Reason::PermissionDenied,
            None => match source.kind() {
                ErrorKind::MasterNameNotFoundBySentinel => Reason::PrimaryNotFound,
                _ => Reason::Unknown,
            },
        };
        Self { address, reason, source }
    }

    fn is_temporary(&self) -> bool {
        match self.reason {
            Reason::TimedOut | Reason::PrimaryNotFound => true,
            Reason::Unknown => is_temporary_error(&self.source),
            _ => false,
        }
    }
}

/// A cluster that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UnusableCluster {
    #[error(
        "this cluster runs Redis {0}, but LiveChat needs Redis 7 or later for a cluster; a single Redis may be older"
    )]
    TooOld(String),
    #[error("the Redis at {0} is no node of a cluster; name it alone in REDIS_URL and leave REDIS_CLUSTER out")]
    NotACluster(String),
    #[error("no node of the cluster reports its topology")]
    NoTopology,
    #[error("no node of the cluster has any slot; the cluster has not been created yet")]
    NoSlots,
}

impl UnusableCluster {
    const fn is_temporary(&self) -> bool {
        matches!(self, Self::NoTopology | Self::NoSlots)
    }
}

/// Whether a retry may succeed without any change of the configuration: Redis has not started yet, is loading its data, or waits
/// for other nodes. A wrong password, a rejected certificate and a missing permission are permanent.
pub fn is_temporary(error: &StoreError) -> bool {
    let StoreError::Unavailable(cause) = error else { return false };
    if let Some(error) = cause.downcast_ref::<ConnectError>() {
        return error.is_temporary();
    }
    if let Some(error) = cause.downcast_ref::<UnusableCluster>() {
        return error.is_temporary();
    }
    cause.downcast_ref().is_some_and(is_temporary_error) || cause.is::<Elapsed>()
}

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

fn tls_reason(error: &rustls::Error) -> Reason {
    match error {
        rustls::Error::InvalidCertificate(error) => match error {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Reason::CertificateExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Reason::NameMismatch,
            _ => Reason::UnknownAuthority,
        },
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Reason::NotTls,
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => Reason::ClientCertificateRequired,
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateUnknown
            // Signed by another authority of the same name.
            | AlertDescription::DecryptError => Reason::ClientCertificateRejected,
            _ => Reason::Unknown,
        },
        _ => Reason::Unknown,
    }
}

/// The TLS error inside an I/O error, which does not return it as its source.
fn tls_error(error: &RedisError) -> Option<&rustls::Error> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.map(|inner| inner as &(dyn Error + 'static));
        if let Some(found) = error.downcast_ref().or_else(|| inner?.downcast_ref()) {
            return Some(found);
        }
        // An error in an `Arc` has the type of the `Arc`, so look inside.
        cause = error
            .downcast_ref::<Arc<dyn Error + Send + Sync>>()
            .map_or_else(|| inner.or_else(|| error.source()), |shared| Some(shared.as_ref()));
    }
    None
}
