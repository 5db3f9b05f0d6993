//! Why an identity is refused.

/// Why a user without an identity, or with this one, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error("this server serves only users that a site vouches for; send an identity from that site as the token")]
    Required,
    #[error("only users that a site vouches for may create rooms here; send an identity from that site")]
    RequiredToCreateRooms,
    /// For the reason that continues "the identity is not valid: ".
    #[error("the identity is not valid: {0}")]
    Invalid(&'static str),
    #[error("the identity has expired; get a new one from the site that issued it")]
    Expired,
}
