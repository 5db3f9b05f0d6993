//! A host site that signs identities, rightly and wrongly.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// A site with an Ed25519 key.
pub struct Site {
    key: Ed25519KeyPair,
}

impl Site {
    pub fn new() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self { key: Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key") }
    }

    /// The public key of the site.
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }

    /// The file for `IDENTITY_KEYS`.
    pub fn jwks(&self) -> String {
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "x": BASE64.encode(self.public_key()) });
        json!({ "keys": [key] }).to_string()
    }

    /// An identity with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        jwt(&json!({ "alg": "EdDSA", "typ": "JWT" }), claims, |message| self.key.sign(message).as_ref().to_vec())
    }

    /// An identity of a user with this `sub`.
    pub fn identity(&self, sub: &str) -> String {
        self.sign(&claims(sub))
    }

    /// An identity with another claim besides.
    pub fn identity_with(&self, sub: &str, name: &str, value: impl Into<Value>) -> String {
        let mut claims = claims(sub);
        claims[name] = value.into();
        self.sign(&claims)
    }

    /// An identity with the role owner for a room.
    pub fn owner(&self, sub: &str, room: &str) -> String {
        let mut claims = claims(sub);
        claims["room"] = room.into();
        claims["role"] = "owner".into();
        self.sign(&claims)
    }
}

/// The claims of a user, valid for five minutes.
pub fn claims(sub: &str) -> Value {
    json!({ "sub": sub, "name": format!("User {sub}"), "exp": seconds_from_now(300) })
}

/// Seconds since the Unix epoch.
pub fn seconds_from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a time").as_secs();
    i64::try_from(now).expect("a time") + seconds
}

/// A JWT, signed by `sign`.
pub fn jwt(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    format!("{message}.{}", BASE64.encode(sign(message.as_bytes())))
}

/// A JWT signed with a secret.
pub fn hs256(secret: &[u8], claims: &Value) -> String {
    let sign = |message: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec();
    jwt(&json!({ "alg": "HS256", "typ": "JWT" }), claims, sign)
}
