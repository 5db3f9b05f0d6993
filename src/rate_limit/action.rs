//! The actions that are limited.

/// An action that can come too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Creating a room, limited by address.
    CreateRoom,
    /// Sending, editing or deleting a message, limited by user and address, so that others cannot use up a user's budget.
    SendAsUser,
    /// The same, limited by client: one client can make up many users.
    SendAsClient,
    /// The same, limited by room.
    SendToRoom,
    /// Opening a subscription, limited by address.
    Subscribe,
    /// Reading, limited by client in units of cost.
    Read,
}

impl Action {
    pub(super) const ALL: [Self; 6] =
        [Self::CreateRoom, Self::SendAsUser, Self::SendAsClient, Self::SendToRoom, Self::Subscribe, Self::Read];

    /// The value of the metric's label `action`.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::CreateRoom => "create_room",
            Self::SendAsUser => "send_as_user",
            Self::SendAsClient => "send_as_client",
            Self::SendToRoom => "send_to_room",
            Self::Subscribe => "subscribe",
            Self::Read => "read",
        }
    }

    /// The error message for the client.
    pub const fn message(self) -> &'static str {
        match self {
            Self::CreateRoom => "too many rooms were created from this address; wait a little",
            Self::SendAsUser => "this user sends too fast; wait a little",
            Self::SendAsClient => "too much is sent from this address; wait a little",
            Self::SendToRoom => "too much is sent to this room; wait a little",
            Self::Subscribe => "too many subscriptions were opened from this address; wait a little",
            Self::Read => "too much is read from this address; wait a little, or ask for less at once",
        }
    }
}
