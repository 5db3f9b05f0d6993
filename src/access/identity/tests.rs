//! Tests of whole identities: signed with each kind of key, forged, expired, and with wrong claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use super::*;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{AvatarUrl, User};

const SECRET: &str = "a secret of the site, 32 bytes or more";

/// A JWT, signed by `sign`.
fn jwt(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims.to_string()));
    format!("{message}.{}", BASE64.encode(sign(message.as_bytes())))
}

fn hs256(claims: &Value) -> String {
    jwt(&json!({ "alg": "HS256", "typ": "JWT" }), claims, |message| sign_hs256(SECRET.as_bytes(), message))
}

fn sign_hs256(secret: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
}

fn seconds_from_now(seconds: i64) -> i64 {
    i64::try_from(now().as_millis() / 1_000).expect("a time") + seconds
}

fn claims() -> Value {
    json!({ "sub": "42", "name": "Ada", "exp": seconds_from_now(300) })
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims();
    claims[name] = value.into();
    claims
}

fn settings(jwks: Option<&Value>) -> Settings {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("jwks.json");
    let key_file = jwks.map(|jwks| {
        std::fs::write(&path, jwks.to_string()).expect("a file");
        KeyFile::read(path).unwrap_or_else(|error| panic!("the file {error}"))
    });
    let secret = Some(SECRET.parse().unwrap_or_else(|SecretTooShort| panic!("too short")));
    Settings { requirement: Requirement::Optional, key_file, secret, ..Settings::default() }
}

fn identities(settings: Settings) -> Identities {
    Identities::new(settings, Limits::default(), |text| RoomId::parse(text).ok())
}

fn verify(text: &str) -> Result<Arc<Identity>, IdentityError> {
    identities(settings(None)).verify(text)
}

fn ed25519() -> Ed25519KeyPair {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
    Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key")
}

fn jwk_of(pair: &Ed25519KeyPair, id: &str) -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": BASE64.encode(pair.public_key()) })
}

fn eddsa(pair: &Ed25519KeyPair, id: &str) -> String {
    jwt(&json!({ "alg": "EdDSA", "kid": id }), &claims(), |message| pair.sign(message).as_ref().to_vec())
}

#[test]
fn the_claims_of_an_identity_are_those_of_its_user() {
    let room = RoomId::random();
    let mut claims = with("picture", "https://example.org/a.png?s=64");
    claims["room"] = room.to_string().into();
    claims["role"] = "owner".into();
    let identity = verify(&hs256(&claims)).expect("an identity");
    let User { id, display_name, avatar_url } = &identity.user;
    assert_eq!((id.as_str(), display_name.as_str()), ("@42", "Ada"));
    assert_eq!(avatar_url.as_ref().map(AvatarUrl::as_str), Some("https://example.org/a.png?s=64"));
    assert!(identity.check_room(room).is_ok() && identity.is_owner_of(room));
    assert!(identity.check_room(RoomId::random()).is_err() && !identity.is_owner_of(RoomId::random()));
    let identity = verify(&hs256(&self::claims())).expect("an identity");
    assert!(identity.check_room(room).is_ok() && !identity.is_owner_of(room) && identity.user.avatar_url.is_none());
}

#[tokio::test]
async fn identities_signed_with_any_key_of_the_file_or_with_the_secret_are_accepted() {
    let (ed, rng) = (ed25519(), SystemRandom::new());
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).expect("a key");
    let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &rng).expect("a key");
    let (x, y) = ec.public_key().as_ref()[1..].split_at(32);
    let ec_jwk = json!({ "kty": "EC", "crv": "P-256", "x": BASE64.encode(x), "y": BASE64.encode(y) });
    let identities = identities(settings(Some(&json!({ "keys": [jwk_of(&ed, "a"), ec_jwk] }))));
    let es256 = jwt(&json!({ "alg": "ES256" }), &claims(), |message| {
        ec.sign(&rng, message).expect("a signature").as_ref().to_vec()
    });
    for text in [eddsa(&ed, "a"), es256, hs256(&claims())] {
        identities.verify(&text).unwrap_or_else(|error| panic!("{error}"));
        identities.verify(&text).expect("from the cache");
    }
    assert_eq!(identities.cache.len(), 3);
}

#[tokio::test]
async fn what_no_key_has_signed_is_refused() {
    let (ed, other) = (ed25519(), ed25519());
    let jwk = jwk_of(&ed, "a");
    let identities = identities(settings(Some(&json!({ "keys": [jwk] }))));
    let public = ed.public_key().as_ref();
    let (header, none) = (json!({ "alg": "HS256" }), json!({ "alg": "none" }));
    let valid = hs256(&claims());
    let (unsigned, signature) = valid.rsplit_once('.').expect("a signature");
    let (head, _) = unsigned.split_once('.').expect("claims");
    for (what, text) in [
        ("unsigned", jwt(&none, &claims(), |_| Vec::new())),
        ("unsigned, with a signature", jwt(&none, &claims(), |message| sign_hs256(SECRET.as_bytes(), message))),
        ("without its signature", format!("{unsigned}.")),
        ("with claims of others", format!("{head}.{}.{signature}", BASE64.encode(with("sub", "1").to_string()))),
        ("HS256 with the public key", jwt(&header, &claims(), |message| sign_hs256(public, message))),
        ("HS256 with the JWK", jwt(&header, &claims(), |message| sign_hs256(jwk.to_string().as_bytes(), message))),
        ("HS512", jwt(&json!({ "alg": "HS512" }), &claims(), |message| sign_hs256(SECRET.as_bytes(), message))),
        ("EdDSA with the secret", jwt(&json!({ "alg": "EdDSA" }), &claims(), |_| sign_hs256(SECRET.as_bytes(), b""))),
        ("another key", eddsa(&other, "a")),
        ("an unknown key id", eddsa(&ed, "b")),
        ("not JSON", format!("{}.{}.{signature}", BASE64.encode("{"), BASE64.encode("{"))),
        ("without claims", format!("{head}..{signature}")),
        ("not base64", format!("{unsigned}.%")),
        ("too long", format!("{unsigned}.{}", "A".repeat(MAX_BYTES))),
        ("an unknown critical header", {
            let header = json!({ "alg": "HS256", "crit": ["new"], "new": 1 });
            jwt(&header, &claims(), |message| sign_hs256(SECRET.as_bytes(), message))
        }),
    ] {
        let refused = identities.verify(&text).err();
        assert!(matches!(refused, Some(IdentityError::Invalid(..))), "{what}: {refused:?}");
    }
    assert_eq!(identities.cache.len(), 0, "nothing that was refused is remembered");
}

#[test]
fn claims_that_break_a_rule_are_refused_with_the_claim_in_the_message() {
    for (claims, word) in [
        (with("sub", ""), "sub"),
        (with("sub", " "), "sub"),
        (with("sub", 42), "sub"),
        (with("sub", "a\nb"), "sub"),
        (with("sub", "x".repeat(129)), "sub"),
        (with("name", ""), "name"),
        (with("name", Value::Null), "name"),
        (with("name", "x".repeat(65)), "name"),
        (with("picture", "http://example.org/a.png"), "picture"),
        (with("picture", "javascript:alert(1)"), "picture"),
        (with("picture", "https://"), "picture"),
        (with("picture", "https:///a.png"), "picture"),
        (with("picture", "https://a@example.org/"), "picture"),
        (with("picture", "https://example.org/\" onerror=\""), "picture"),
        (with("picture", format!("https://example.org/{}", "a".repeat(2_048))), "picture"),
        (with("room", "1"), "room"),
        (with("room", 1), "claims"),
        (with("role", "owner"), "room"),
        (with("role", "admin"), "role"),
        (with("exp", Value::Null), "exp"),
        (with("exp", "tomorrow"), "exp"),
        (with("exp", 1e300), "exp"),
        (with("nbf", seconds_from_now(60)), "nbf"),
        (with("aud", "another"), "aud"),
    ] {
        match verify(&hs256(&claims)) {
            Err(error @ IdentityError::Invalid(..)) => {
                assert!(error.to_string().contains(word), "{claims}: {error}")
            }
            other => panic!("{claims}: {other:?}"),
        }
    }
    for claims in [
        with("sub", "x".repeat(128)),
        with("name", "Ada \u{1f980}"),
        with("nbf", seconds_from_now(20)),
        with("exp", f64::from(u32::MAX) + 0.5),
        with("iat", seconds_from_now(20)),
        with("iss", "https://example.org"),
    ] {
        assert!(verify(&hs256(&claims)).is_ok(), "{claims}");
    }
}

#[test]
fn an_identity_ends_half_a_minute_after_its_time_also_in_the_cache() {
    for (seconds, expected) in
        [(-20, None), (-40, Some(IdentityError::Expired)), (-1_000_000_000_000, Some(IdentityError::Expired))]
    {
        assert_eq!(verify(&hs256(&with("exp", seconds_from_now(seconds)))).err(), expected, "{seconds}");
    }
    let identities = identities(settings(None));
    let text = hs256(&claims());
    identities.verify(&text).expect("an identity");
    let mut entry = identities.cache.get(&Hash::from(Sha256::digest(&text))).expect("cached");
    entry.identity = Arc::new(Identity {
        user: entry.identity.user.clone(),
        room: None,
        is_owner: false,
        expires_at: Timestamp::from_millis(now().as_millis() - 1),
    });
    identities.cache.insert(Hash::from(Sha256::digest(&text)), entry);
    assert_eq!(identities.verify(&text).err(), Some(IdentityError::Expired));
}

#[test]
fn only_three_parts_of_base64url_have_the_form_of_an_identity() {
    assert!(has_form_of_identity(&hs256(&claims())) && has_form_of_identity("a.b."));
    for text in
        ["", "a", "a.b", "a.b.c.d", ".b.c", "a..c", "..", "a.b.c=", "a b.c.d", "00112233445566778899aabbccddeeff"]
    {
        assert!(!has_form_of_identity(text), "{text}");
    }
}

#[test]
fn identities_are_not_recognized_while_they_are_off() {
    let identities = identities(Settings { requirement: Requirement::Off, ..settings(None) });
    let text = hs256(&claims());
    assert!(matches!(identities.verify(&text), Err(IdentityError::Invalid(..))));
    assert!(matches!(identities.of_token(Some(&text)), Ok(None)));
}

#[test]
fn with_required_identities_no_other_token_will_do() {
    let identities = |requirement| identities(Settings { requirement, ..settings(None) });
    for other in [None, Some(""), Some("00112233445566778899aabbccddeeff"), Some("a.b")] {
        assert!(matches!(identities(Requirement::Optional).of_token(other), Ok(None)));
        assert_eq!(identities(Requirement::Required).of_token(other).err(), Some(IdentityError::Required));
    }
    for requirement in [Requirement::Optional, Requirement::Required] {
        let text = hs256(&claims());
        assert!(identities(requirement).of_token(Some(&text)).is_ok_and(|identity| identity.is_some()));
        assert!(matches!(identities(requirement).of_token(Some("a.b.c")), Err(IdentityError::Invalid(..))));
    }
}

#[test]
fn rooms_are_created_by_anyone_or_by_identified_users() {
    let check = |requirement, room_creators, identity: Option<&str>| {
        let settings = Settings { requirement, room_creators, ..settings(None) };
        identities(settings).check_room_creator(identity)
    };
    let (valid, for_one_room) = (hs256(&claims()), hs256(&with("room", RoomId::random().to_string())));
    for (creators, without) in
        [(RoomCreators::Anyone, Ok(())), (RoomCreators::Identified, Err(IdentityError::RequiredToCreateRooms))]
    {
        for requirement in [Requirement::Optional, Requirement::Required] {
            assert_eq!(check(requirement, creators, None), without);
            assert_eq!(check(requirement, creators, Some(&valid)), Ok(()));
            assert!(check(requirement, creators, Some("a.b.c")).is_err());
            assert!(check(requirement, creators, Some(&for_one_room)).is_err());
        }
    }
}

#[tokio::test]
async fn a_changed_key_file_replaces_the_keys() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("jwks.json");
    let (first, second) = (ed25519(), ed25519());
    let write = |text: &str| std::fs::write(&path, text).expect("a file");
    write(&json!({ "keys": [jwk_of(&first, "1")] }).to_string());
    let key_file = KeyFile::read(path.clone()).unwrap_or_else(|error| panic!("the file {error}"));
    let identities =
        identities(Settings { requirement: Requirement::Optional, key_file: Some(key_file), ..Settings::default() });
    let (by_first, by_second) = (eddsa(&first, "1"), eddsa(&second, "2"));
    let is_valid = |text: &str| identities.verify(text).is_ok();
    assert!(is_valid(&by_first) && !is_valid(&by_second));
    write(&json!({ "keys": [jwk_of(&second, "2")] }).to_string());
    while !is_valid(&by_second) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(!is_valid(&by_first), "an identity in the cache ends with its key");
}
