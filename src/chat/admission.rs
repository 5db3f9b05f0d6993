//! Prepares the admission of a user by the store, which sees only hashes of tokens, and rotates the user's token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::access::identity::Identity;
use crate::domain::message::Message;
use crate::domain::position::Position;
use crate::domain::room::Room;
use crate::domain::token::Token;
use crate::domain::user::{DisplayName, User, UserId};
use crate::store::{Admission, Admitted, PresentedToken};

/// How long a user is kept after the end of the last room in which it wrote.
const USER_OUTLIVES_ROOM: Duration = Duration::from_secs(3_600);

/// An accepted action.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The message as it is now.
    pub message: Message,
    /// The position of the event of the action. For a repeated send, that of the first one.
    pub position: Position,
    /// The user who acted.
    pub author: User,
    /// The token for this user's next action.
    pub token: NextToken,
}

/// The token for a user's next action.
#[derive(Clone)]
pub enum NextToken {
    Rotating(Token),
    /// The identity that the user has presented, as it was sent.
    Identity(Arc<str>),
}

impl NextToken {
    /// The token as text. Only for the client that owns it.
    pub fn reveal(&self) -> String {
        match self {
            Self::Rotating(token) => token.reveal(),
            Self::Identity(text) => text.as_ref().to_owned(),
        }
    }
}

/// Hides the token, so that it never reaches a log.
impl fmt::Debug for NextToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NextToken(…)")
    }
}

/// Who wants to act, before a rotating token has been checked.
pub(super) enum Claimant {
    /// A user with a rotating token, or a new one.
    Unsigned(UserId),
    /// A user that a site vouches for, so the store knows no token of it.
    Signed(SignedUser),
}

/// A user with a valid identity.
#[derive(Clone)]
pub(super) struct SignedUser {
    pub(super) identity: Arc<Identity>,
    text: Arc<str>,
}

impl SignedUser {
    pub(super) fn new(identity: Arc<Identity>, text: &str) -> Self {
        Self { identity, text: text.into() }
    }

    pub(super) fn admitted(&self) -> AdmittedUser {
        AdmittedUser { user: self.identity.user.clone(), token: NextToken::Identity(Arc::clone(&self.text)) }
    }
}

impl Claimant {
    /// Whether the user has proven with its identity to be the owner of a room.
    pub(super) fn is_owner_of(&self, room: &Room) -> bool {
        matches!(self, Self::Signed(signed) if signed.identity.is_owner_of(room.id))
    }
}

/// What to do with a user that does not exist.
pub(super) enum OnUnknownUser {
    /// Register it under this name.
    Register(DisplayName),
    Refuse,
}

/// The token that the client presented, if any, and a new one for its next action.
pub(super) struct Tokens {
    presented: Option<Token>,
    next_token: Token,
}

impl Tokens {
    /// The user and the token for its next action, if the store admitted it.
    pub(super) fn admitted_user(&self, admitted: &Admitted) -> Option<AdmittedUser> {
        let user = admitted.user()?.clone();
        let token = match (admitted, self.presented) {
            (Admitted::Repeated(_, sealed), Some(presented)) => presented.unseal(sealed),
            _ => self.next_token,
        };
        Some(AdmittedUser { user, token: NextToken::Rotating(token) })
    }
}

/// A user whose token or identity was right, and the token for its next action.
pub(super) struct AdmittedUser {
    pub(super) user: User,
    pub(super) token: NextToken,
}

impl AdmittedUser {
    pub(super) fn accepted(self, (message, position): (Message, Position)) -> Accepted {
        Accepted { message, position, author: self.user, token: self.token }
    }
}

/// Builds the store's request to admit a user who acts in a room. The returned [`Tokens`] interpret the store's answer.
pub(super) fn prepare_admission(
    room: &Room,
    user: UserId,
    token: Option<&str>,
    on_unknown: OnUnknownUser,
) -> (Admission, Tokens) {
    let tokens = Tokens { presented: token.and_then(Token::parse), next_token: Token::random() };
    let seal = |token: Token| PresentedToken { hash: token.hash(), sealed_next_token: token.seal(&tokens.next_token) };
    let admission = Admission {
        user,
        presented: tokens.presented.map(seal),
        next_token: tokens.next_token.hash(),
        keep_until: room.expires_at.plus(USER_OUTLIVES_ROOM),
        register_as: match on_unknown {
            OnUnknownUser::Register(name) => Some(name),
            OnUnknownUser::Refuse => None,
        },
    };
    (admission, tokens)
}
