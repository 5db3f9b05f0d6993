//! Prepares the admission of a user by the store, which sees only hashes of tokens, and rotates the user's token.

use std::time::Duration;

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
    pub token: Token,
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
        Some(AdmittedUser { user, token })
    }
}

/// A user whose token was right, and the token for its next action.
pub(super) struct AdmittedUser {
    pub(super) user: User,
    pub(super) token: Token,
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
