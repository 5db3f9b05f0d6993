//! The secrets of a room other than its code: owner tokens, presence tokens, and keyed hashes of addresses.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::domain::client_key::ClientKey;
use crate::domain::room::Room;
use crate::domain::token::Token;
use crate::domain::user::UserId;
use crate::store::AddressHash;

/// Bytes of a keyed hash. Truncated, so that nobody can extend what was hashed.
const HASH_BYTES: usize = 16;

/// Whether `token` proves the owner of a room. The time does not depend on how much of a wrong token is right.
pub(super) fn is_owner_token(room: &Room, token: &str) -> bool {
    let hash = Token::parse(token).map(|token| token.hash());
    hash.is_some_and(|hash| hash.0.ct_eq(&room.owner_token.0).into())
}

/// A token that lets a user appear in the presence of a room: a keyed hash of its id, and the id. It needs no storage, and is worth
/// nothing in another room.
pub fn presence_token(room: &Room, user: &UserId) -> String {
    format!("{}.{}", hex::encode(keyed_hash(room, "presence", user.as_str().as_bytes())), BASE64.encode(user.as_str()))
}

/// The user of a presence token; `None` if the token is not valid in this room.
pub fn user_of_presence_token(room: &Room, token: &str) -> Option<UserId> {
    let (hash, user) = token.split_once('.')?;
    let mut presented = [0; HASH_BYTES];
    hex::decode_to_slice(hash, &mut presented).ok()?;
    let user = String::from_utf8(BASE64.decode(user).ok()?).ok()?;
    let is_right = keyed_hash(room, "presence", user.as_bytes()).ct_eq(&presented);
    bool::from(is_right).then(|| UserId::from_stored(user))
}

/// The keyed hash of a client's address, by which a room recognizes it. `None` if the address is unknown.
pub fn address_hash(room: &Room, client: ClientKey) -> Option<AddressHash> {
    match client {
        ClientKey::Unknown => None,
        ClientKey::Network(address) => {
            Some(AddressHash(keyed_hash(room, "address", &address.to_canonical().to_string().into_bytes())))
        }
    }
}

fn keyed_hash(room: &Room, purpose: &str, value: &[u8]) -> [u8; HASH_BYTES] {
    let hash = Sha256::new()
        .chain_update(room.secret.0)
        .chain_update(purpose)
        .chain_update([0])
        .chain_update(value)
        .finalize();
    std::array::from_fn(|i| hash[i])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::room::{RoomCode, RoomId, RoomSecret};
    use crate::domain::timestamp::Timestamp;

    fn room(owner: Token) -> Room {
        let now = Timestamp::from_millis(0);
        Room {
            id: RoomId::random(),
            code: RoomCode::random(6),
            owner_token: owner.hash(),
            secret: RoomSecret::random(),
            created_at: now,
            expires_at: now,
        }
    }

    #[test]
    fn only_the_token_of_the_room_proves_its_owner() {
        let owner = Token::random();
        let (own, other) = (room(owner), room(Token::random()));
        assert!(is_owner_token(&own, &owner.reveal()));
        assert!(!is_owner_token(&other, &owner.reveal()));
        for token in ["", "bad", &owner.reveal()[1..], &Token::random().reveal()] {
            assert!(!is_owner_token(&own, token));
        }
    }

    #[test]
    fn a_presence_token_names_its_user_in_its_room_only() {
        let (own, other) = (room(Token::random()), room(Token::random()));
        let user = UserId::from_stored("some user ❤".to_owned());
        let token = presence_token(&own, &user);
        assert_eq!(user_of_presence_token(&own, &token), Some(user.clone()));
        assert_eq!(user_of_presence_token(&other, &token), None);
        let (hash, _) = token.split_once('.').expect("two parts");
        for token in ["", ".", "x.y", hash, &format!("{hash}."), &format!("{hash}.{}", BASE64.encode("another user"))] {
            assert_eq!(user_of_presence_token(&own, token), None, "{token}");
        }
    }

    #[test]
    fn an_address_has_another_hash_in_another_room() {
        let (own, other) = (room(Token::random()), room(Token::random()));
        let client = ClientKey::from_address(std::net::Ipv4Addr::LOCALHOST.into(), 64);
        assert_eq!(address_hash(&own, client), address_hash(&own, client));
        assert_ne!(address_hash(&own, client), address_hash(&other, client));
        assert_eq!(address_hash(&own, ClientKey::Unknown), None);
    }
}
