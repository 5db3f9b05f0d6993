//! The claims of an identity, and the rules that they obey.

use serde::Deserialize;

use crate::access::identity::error::{Defect, IdentityError};
use crate::domain::limits::Limits;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{AvatarUrl, DisplayName, User, UserId};

/// How far the clocks of this server and of the host site may differ, in seconds.
const LEEWAY: f64 = 30.0;

/// The claims as they are signed. Others are ignored.
#[derive(Deserialize)]
pub(super) struct Claims {
    sub: String,
    name: String,
    picture: Option<String>,
    /// Seconds since the Unix epoch. JWTs may have fractions.
    exp: f64,
    nbf: Option<f64>,
    room: Option<String>,
    role: Option<String>,
}

/// A user that the host site vouches for.
pub struct Identity {
    pub user: User,
    /// The only room in which the identity is valid, if it is not valid in all.
    pub room: Option<RoomId>,
    /// Whether the user may act as the owner of `room`.
    pub is_owner: bool,
    /// When the identity ceases to be valid, including the leeway for clocks.
    pub expires_at: Timestamp,
}

impl Identity {
    /// Checks the claims, except whether they have expired. `parse_room` reads the id of a room.
    pub(super) fn from_claims(
        claims: Claims,
        now: Timestamp,
        limits: &Limits,
        parse_room: impl FnOnce(&str) -> Option<RoomId>,
    ) -> Result<Self, IdentityError> {
        let invalid = |message| IdentityError::Invalid(Defect::WrongClaims, message);
        let id = UserId::from_subject(&claims.sub, limits)
            .map_err(|_| invalid("sub must have 1 to USER_ID_MAX_LENGTH characters, one of them visible"))?;
        let display_name = DisplayName::parse(&claims.name, limits)
            .map_err(|_| invalid("name must have 1 to DISPLAY_NAME_MAX_LENGTH characters, one of them visible"))?;
        let avatar_url = match claims.picture {
            Some(picture) => Some(
                AvatarUrl::parse(&picture).ok_or(invalid("picture must be an address that begins with https://"))?,
            ),
            None => None,
        };
        let room = match claims.room {
            Some(room) => Some(parse_room(&room).ok_or(invalid("room must be the id of a room"))?),
            None => None,
        };
        let is_owner = match claims.role.as_deref() {
            None => false,
            Some("owner") if room.is_some() => true,
            Some("owner") => return Err(invalid("the role owner needs a room")),
            Some(_) => return Err(invalid("role must be owner or absent")),
        };
        let expires_at = timestamp(claims.exp + LEEWAY).ok_or(invalid("exp must be a time in seconds"))?;
        let not_before =
            timestamp(claims.nbf.unwrap_or_default() - LEEWAY).ok_or(invalid("nbf must be a time in seconds"))?;
        if now < not_before {
            return Err(IdentityError::Invalid(Defect::NotYetValid, "it is not valid yet (nbf)"));
        }
        Ok(Self { user: User { id, display_name, avatar_url }, room, is_owner, expires_at })
    }

    /// Checks that the identity is valid in a room.
    pub fn check_room(&self, room: RoomId) -> Result<(), IdentityError> {
        match self.room {
            Some(other) if other != room => Err(IdentityError::Invalid(Defect::OtherRoom, "it is for another room")),
            _ => Ok(()),
        }
    }

    /// Whether the user may act as the owner of a room.
    pub fn is_owner_of(&self, room: RoomId) -> bool {
        self.is_owner && self.room == Some(room)
    }

    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now
    }

    /// Memory of the texts, in bytes.
    pub(super) fn text_bytes(&self) -> usize {
        let User { id, display_name, avatar_url } = &self.user;
        id.as_str().len() + display_name.as_str().len() + avatar_url.as_ref().map_or(0, |url| url.as_str().len())
    }
}

/// Hides whom the identity is about, so that it never reaches a log.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// A time in seconds since the Unix epoch; the epoch for earlier ones, `None` for a time that cannot be represented.
fn timestamp(seconds: f64) -> Option<Timestamp> {
    const LATEST: f64 = 253_402_300_799.0;
    if !seconds.is_finite() || seconds > LATEST {
        return None;
    }
    // A cast of a negative number would be zero as well.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded above")]
    let millis = (seconds.max(0.0) * 1_000.0) as u64;
    Some(Timestamp::from_millis(millis))
}
