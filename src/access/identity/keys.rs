//! The keys that identities are signed with: those of a JWKS file, and the shared secret.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use serde::Deserialize;
use serde_json::Value;

/// Why a JWKS file cannot be used. The message continues "the file …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    #[error("is not a JWKS: a JSON object with a list of keys")]
    NotJwks,
    #[error("has no key to check identities with: EdDSA (Ed25519), ES256 (P-256), or RS256 of 2048 to 8192 bits")]
    NoKey,
    #[error("has two keys of one algorithm with the same kid, or without one")]
    Ambiguous,
}

/// A key with the only algorithm that it is used for.
#[derive(Clone)]
pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// Keys, at most one for each algorithm and key id.
#[derive(Clone, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Deserialize)]
struct Jwks {
    /// Not parsed as keys at once: a key of an unknown kind must not spoil the others.
    keys: Vec<Value>,
}

impl Keys {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The keys of a JWKS that can check identities. Others are ignored, as RFC 7517 asks: private and symmetric keys, those for
    /// encryption, and those of other algorithms.
    pub(super) fn from_jwks(json: &[u8]) -> Result<Self, JwksError> {
        let jwks: Jwks = serde_json::from_slice(json).map_err(|_| JwksError::NotJwks)?;
        let keys: Vec<_> = jwks.keys.into_iter().filter_map(Key::from_jwk).collect();
        if keys.is_empty() {
            return Err(JwksError::NoKey);
        }
        let is_repeated = |(index, key): (usize, &Key)| {
            keys.iter().take(index).any(|other| other.algorithm == key.algorithm && other.id == key.id)
        };
        if keys.iter().enumerate().any(is_repeated) {
            return Err(JwksError::Ambiguous);
        }
        Ok(Self(keys))
    }

    /// Adds the key for identities that are signed with a shared secret.
    pub(super) fn with_secret(mut self, key: DecodingKey) -> Self {
        self.0.push(Key { id: None, algorithm: Algorithm::HS256, key });
        self
    }

    /// The key that a JWT with this header is meant to be signed with: the one of its algorithm and key id. Where either side
    /// has no key id, it must be the only one of its algorithm.
    pub(super) fn find(&self, algorithm: Algorithm, id: Option<&str>) -> Option<&Key> {
        let mut candidates = self.0.iter().filter(|key| key.algorithm == algorithm);
        if let Some(key) = candidates.clone().find(|key| id.is_some() && key.id.as_deref() == id) {
            return Some(key);
        }
        let only = candidates.next().filter(|_| candidates.next().is_none())?;
        (id.is_none() || only.id.is_none()).then_some(only)
    }
}

impl Key {
    /// A public key that can check identities; `None` for any other.
    fn from_jwk(value: Value) -> Option<Self> {
        if value.get("d").is_some() {
            return None;
        }
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let (algorithm, key) = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, DecodingKey::from_jwk(&jwk).ok()?)
            }
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, DecodingKey::from_jwk(&jwk).ok()?)
            }
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, DecodingKey::from_jwk(&jwk).ok()?),
            _ => return None,
        };
        let fits_use = jwk.common.public_key_use.is_none_or(|intended| intended == PublicKeyUse::Signature);
        let fits_algorithm =
            jwk.common.key_algorithm.is_none_or(|intended| Algorithm::try_from(intended) == Ok(algorithm));
        (fits_use && fits_algorithm && has_valid_size(&key)).then_some(Self { id: jwk.common.key_id, algorithm, key })
    }
}

/// Whether a key has the size that its algorithm needs. ring would find out only when it checks a signature.
fn has_valid_size(key: &DecodingKey) -> bool {
    match (key.family(), key.kind()) {
        // An Ed25519 point, and an uncompressed P-256 point with its prefix.
        (AlgorithmFamily::Ed, DecodingKeyKind::SecretOrDer(point)) => point.len() == 32,
        (AlgorithmFamily::Ec, DecodingKeyKind::SecretOrDer(point)) => point.len() == 65,
        (AlgorithmFamily::Rsa, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            (256..=1_024).contains(&n.len()) && n.first() != Some(&0) && !e.is_empty()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    const Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";

    fn ed(id: Option<&str>) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "kid": id })
    }

    fn ec(id: Option<&str>) -> Value {
        json!({ "kty": "EC", "crv": "P-256", "x": X, "y": Y, "kid": id })
    }

    fn rsa(bytes: usize) -> Value {
        json!({ "kty": "RSA", "n": "-".repeat(bytes * 4 / 3), "e": "AQAB" })
    }

    fn parse(keys: &[Value]) -> Result<Keys, JwksError> {
        Keys::from_jwks(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn algorithms(keys: &[Value]) -> Vec<Algorithm> {
        parse(keys).map(|keys| keys.0.iter().map(|key| key.algorithm).collect()).unwrap_or_default()
    }

    #[test]
    fn each_kind_of_key_is_used_for_one_algorithm() {
        let all = algorithms(&[ed(None), ec(None), rsa(258)]);
        assert_eq!(all, [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256]);
    }

    #[test]
    fn keys_that_are_not_for_identities_are_ignored() {
        let with = |mut key: Value, name: &str, value: &str| {
            key[name] = value.into();
            key
        };
        for other in [
            json!({ "kty": "oct", "k": X }),
            json!({ "kty": "new", "x": X }),
            json!({ "kty": "OKP", "crv": "X25519", "x": X }),
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "AAAA" }),
            json!({ "kty": "EC", "crv": "P-384", "x": X, "y": Y }),
            rsa(129),
            rsa(1_026),
            json!(1),
            with(ed(None), "d", X),
            with(ed(None), "use", "enc"),
            with(ed(None), "alg", "HS256"),
            with(ec(None), "alg", "ES384"),
            with(rsa(258), "alg", "PS256"),
        ] {
            assert_eq!(parse(std::slice::from_ref(&other)).err(), Some(JwksError::NoKey), "{other}");
            assert_eq!(algorithms(&[other, ed(Some("a"))]), [Algorithm::EdDSA]);
        }
        assert_eq!(algorithms(&[with(with(ed(None), "use", "sig"), "alg", "EdDSA")]), [Algorithm::EdDSA]);
    }

    #[test]
    fn what_is_not_a_jwks_and_what_is_ambiguous_is_refused() {
        for text in ["", "{}", "[]", r#"{"keys":{}}"#, "-----BEGIN PUBLIC KEY-----"] {
            assert_eq!(Keys::from_jwks(text.as_bytes()).err(), Some(JwksError::NotJwks), "{text}");
        }
        assert_eq!(parse(&[ed(Some("a")), ed(Some("a"))]).err(), Some(JwksError::Ambiguous));
        assert_eq!(parse(&[ed(None), ed(None)]).err(), Some(JwksError::Ambiguous));
        assert!(parse(&[ed(Some("a")), ec(Some("a")), ed(Some("b")), ed(None)]).is_ok());
    }

    #[test]
    fn a_key_is_found_by_its_id_or_as_the_only_one_of_its_algorithm() {
        let found = |keys: &[Value], algorithm, id| {
            let keys = parse(keys).expect("keys");
            keys.find(algorithm, id).map(|key| key.id.clone().unwrap_or_default())
        };
        let some = |id: &str| Some(id.to_owned());
        let keys = [ed(Some("a")), ed(Some("b")), ec(Some("c"))];
        assert_eq!(found(&keys, Algorithm::EdDSA, Some("b")), some("b"));
        assert_eq!(found(&keys, Algorithm::EdDSA, Some("c")), None, "c is not for EdDSA");
        assert_eq!(found(&keys, Algorithm::EdDSA, None), None, "two would fit");
        assert_eq!(found(&keys, Algorithm::ES256, None), some("c"));
        assert_eq!(found(&keys, Algorithm::ES256, Some("unknown")), None);
        assert_eq!(found(&keys, Algorithm::RS256, None), None);
        assert_eq!(found(&[ed(None)], Algorithm::EdDSA, Some("unknown")), some(""));
    }

    #[test]
    fn a_secret_is_used_for_hs256_alone() {
        let keys = Keys::default().with_secret(DecodingKey::from_secret(&[1; 32]).expect("a key"));
        assert!(keys.find(Algorithm::HS256, Some("any")).is_some() && keys.find(Algorithm::EdDSA, None).is_none());
    }
}
