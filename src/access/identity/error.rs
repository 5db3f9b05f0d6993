//! Why an identity is refused.

/// Why a user without an identity, or with this one, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("this server serves only users that a site vouches for; send an identity from that site as the token")]
    Required,
    #[error("only users that a site vouches for may create rooms here; send an identity from that site")]
    RequiredToCreateRooms,
    /// With the reason that continues "the identity is not valid: ".
    #[error("the identity is not valid: {1}")]
    Invalid(Defect, &'static str),
    #[error("the identity has expired; get a new one from the site that issued it")]
    Expired,
}

/// What is wrong with an identity that is not valid. Metrics take their labels from this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defect {
    /// This server accepts no identities.
    NotAccepted,
    /// It is not a JWT, or too long.
    Malformed,
    /// No key has its algorithm and id.
    UnknownKey,
    WrongSignature,
    /// A claim is missing or breaks a rule.
    WrongClaims,
    NotYetValid,
    /// It is for one room, and was used elsewhere.
    OtherRoom,
}

impl Defect {
    pub(super) const ALL: [Self; 7] = [
        Self::NotAccepted,
        Self::Malformed,
        Self::UnknownKey,
        Self::WrongSignature,
        Self::WrongClaims,
        Self::NotYetValid,
        Self::OtherRoom,
    ];

    /// The value of the metric's label `reason`.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::NotAccepted => "not_accepted",
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::WrongSignature => "wrong_signature",
            Self::WrongClaims => "wrong_claims",
            Self::NotYetValid => "not_yet_valid",
            Self::OtherRoom => "other_room",
        }
    }
}
