//! Identities: JWTs by which a host site vouches for a user. They take the place of rotating tokens.
//!
//! A signature is checked only with the algorithm of the key that is meant, so neither `none` nor a public key used as a secret
//! gets through. docs/identity.md explains identities to sites, docs/security.md how safe they are.

mod claims;
mod error;
mod key_file;
mod keys;
mod metrics;
mod settings;
mod signatures;

use std::sync::Arc;
use std::time::SystemTime;

use jsonwebtoken::{Validation, decode, decode_header};
use parking_lot::RwLock;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use sha2::{Digest as _, Sha256};
use tokio_util::task::AbortOnDropHandle;

use crate::access::identity::claims::Claims;
use crate::access::identity::keys::Keys;
use crate::access::identity::metrics::IdentityMetrics;
use crate::domain::limits::Limits;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::metrics::Metrics;

pub use crate::access::identity::claims::Identity;
pub use crate::access::identity::error::{Defect, IdentityError};
pub use crate::access::identity::key_file::{KeyFile, KeyFileError};
pub use crate::access::identity::settings::{Requirement, RoomCreators, Secret, SecretTooShort, Settings};

/// Longest identity, in bytes. Checked before anything else.
const MAX_BYTES: usize = 4 * 1024;

/// Size of the cache of identities, in bytes. Checking a signature takes up to 90 µs, finding it in the cache 1 µs.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// Expected number of identities in the cache.
const CACHE_ENTRIES: usize = 16 * 1024;

/// Checks identities.
pub struct Identities {
    requirement: Requirement,
    room_creators: RoomCreators,
    limits: Limits,
    /// Reads the id of a room as clients write it.
    parse_room: fn(&str) -> Option<RoomId>,
    keys: Arc<RwLock<Arc<Keys>>>,
    cache: Cache<Hash, Entry, Weight>,
    metrics: IdentityMetrics,
    /// Replaces `keys` when their file changes; ends with this.
    _watch: Option<AbortOnDropHandle<()>>,
}

/// The SHA-256 hash of an identity as it was sent.
type Hash = [u8; 32];

/// An identity whose signature was right.
#[derive(Clone)]
struct Entry {
    identity: Arc<Identity>,
    /// The keys by which it was checked. Without effect once others have replaced them.
    keys: Arc<Keys>,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Hash, Entry> for Weight {
    fn weight(&self, _: &Hash, entry: &Entry) -> u64 {
        (size_of::<Hash>() + size_of::<Entry>() + size_of::<Identity>() + entry.identity.text_bytes()) as u64
    }
}

impl Identities {
    /// Checks identities with the keys in `settings`, and with those that replace them in their file.
    pub fn new(settings: Settings, limits: Limits, parse_room: fn(&str) -> Option<RoomId>) -> Self {
        let Settings { requirement, room_creators, key_file, secret } = settings;
        signatures::install();
        let with_secret = move |keys: Keys| match &secret {
            Some(Secret(secret)) => keys.with_secret(secret.clone()),
            None => keys,
        };
        let of_file = key_file.as_ref().map(|file| file.keys.clone()).unwrap_or_default();
        let keys = Arc::new(RwLock::new(Arc::new(with_secret(of_file))));
        let replaced = Arc::clone(&keys);
        let metrics = IdentityMetrics::default();
        let watch = key_file.map(|file| {
            metrics.record_keys(file.keys.len());
            file.watch(metrics.clone(), move |keys| *replaced.write() = Arc::new(with_secret(keys)))
        });
        let cache = Cache::with_weighter(CACHE_ENTRIES, CACHE_BYTES, Weight);
        Self { requirement, room_creators, limits, parse_room, keys, cache, metrics, _watch: watch }
    }

    /// Registers the metrics of identities.
    pub fn register(&self, metrics: &Metrics) {
        self.metrics.register(metrics);
    }

    /// Counts a refusal.
    pub fn record_refusal(&self, error: IdentityError) {
        self.metrics.record_refusal(error);
    }

    /// Whether a token is meant as an identity, valid or not.
    pub fn is_identity(&self, token: &str) -> bool {
        self.requirement != Requirement::Off && has_form_of_identity(token)
    }

    /// The identity that a client presents as a token; `None` for any other token, or for none. Fails if the identity is not valid, or
    /// if there is none and users need one.
    pub fn of_token(&self, token: Option<&str>) -> Result<Option<Arc<Identity>>, IdentityError> {
        match token.filter(|token| self.is_identity(token)) {
            Some(identity) => self.verify(identity).map(Some),
            None if self.requirement == Requirement::Required => Err(IdentityError::Required),
            None => Ok(None),
        }
    }

    /// The identity that a client presents in place of an owner token; `None` for any other token.
    pub fn of_owner_token(&self, token: &str) -> Result<Option<Arc<Identity>>, IdentityError> {
        self.is_identity(token).then(|| self.verify(token)).transpose()
    }

    /// Checks whether a client may create rooms with this identity, or without one.
    pub fn check_room_creator(&self, identity: Option<&str>) -> Result<(), IdentityError> {
        match identity {
            Some(text) if self.verify(text)?.room.is_some() => {
                Err(IdentityError::Invalid(Defect::OtherRoom, "it is for one room, and cannot create another"))
            }
            None if self.room_creators == RoomCreators::Identified => Err(IdentityError::RequiredToCreateRooms),
            Some(_) | None => Ok(()),
        }
    }

    /// Checks an identity: its form, its signature and its claims. Its room is up to the caller.
    pub fn verify(&self, text: &str) -> Result<Arc<Identity>, IdentityError> {
        if self.requirement == Requirement::Off {
            return Err(IdentityError::Invalid(Defect::NotAccepted, "this server does not accept identities"));
        }
        if text.len() > MAX_BYTES {
            return Err(IdentityError::Invalid(Defect::Malformed, "it is longer than 4096 bytes"));
        }
        let (now, keys) = (now(), Arc::clone(&self.keys.read()));
        let hash = Hash::from(Sha256::digest(text));
        let cached = self.cache.get(&hash).filter(|entry| Arc::ptr_eq(&entry.keys, &keys));
        let identity = match cached {
            Some(entry) => entry.identity,
            None => {
                let claims = check_signature(text, &keys)?;
                let parse_room = |text: &str| (self.parse_room)(text);
                let identity = Arc::new(Identity::from_claims(claims, now, &self.limits, parse_room)?);
                self.cache.insert(hash, Entry { identity: Arc::clone(&identity), keys });
                identity
            }
        };
        if identity.has_expired(now) { Err(IdentityError::Expired) } else { Ok(identity) }
    }
}

/// Whether a token has three parts of base64url. A rotating token has one.
fn has_form_of_identity(token: &str) -> bool {
    let is_part = |part: &str| part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let parts: Vec<_> = token.splitn(4, '.').collect();
    // The third part of a JWT that is not signed is empty.
    matches!(parts[..], [header, claims, _] if !header.is_empty() && !claims.is_empty())
        && parts.into_iter().all(is_part)
}

/// The claims of a JWT, if it is signed with one of the keys.
fn check_signature(text: &str, keys: &Keys) -> Result<Claims, IdentityError> {
    const NOT_JWT: IdentityError = IdentityError::Invalid(Defect::Malformed, "it is not a JWT");
    const UNKNOWN_KEY: IdentityError =
        IdentityError::Invalid(Defect::UnknownKey, "no key of this server has its alg and kid");
    if !has_form_of_identity(text) {
        return Err(NOT_JWT);
    }
    // Fails for `none` and for other algorithms that do not sign, which the library does not know.
    let header = decode_header(text).map_err(|_| UNKNOWN_KEY)?;
    let key = keys.find(header.alg, header.kid.as_deref()).ok_or(UNKNOWN_KEY)?;
    let mut validation = Validation::new(key.algorithm);
    // Times are checked with the claims, also those of cached identities.
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    let decoded = decode::<Claims>(text, &key.key, &validation).map_err(|error| {
        use jsonwebtoken::errors::ErrorKind;
        let (defect, message) = match error.kind() {
            ErrorKind::InvalidSignature => (Defect::WrongSignature, "its signature is wrong"),
            ErrorKind::InvalidAudience => (Defect::WrongClaims, "it is for another audience; leave out aud"),
            ErrorKind::Json(_) => (Defect::WrongClaims, "it needs the claims sub, name (texts) and exp (a number)"),
            _ => return NOT_JWT,
        };
        IdentityError::Invalid(defect, message)
    })?;
    Ok(decoded.claims)
}

/// The time by the system clock, as the host site sees it. The store's clock may differ from it.
fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(0).plus(since_epoch)
}

#[cfg(test)]
mod tests;
