//! The input of use cases, as text that has not been validated.

/// The room that a client wants to enter, and its code.
#[derive(Clone, Copy)]
pub struct RoomKey<'a> {
    pub id: &'a str,
    pub code: &'a str,
}

/// A message to send. Empty texts are refused; absent ones get a default.
#[derive(Clone, Copy)]
pub struct SendMessage<'a> {
    pub room: RoomKey<'a>,
    pub user_id: Option<&'a str>,
    pub token: Option<&'a str>,
    pub display_name: Option<&'a str>,
    pub text: &'a str,
    pub client_message_id: Option<&'a str>,
}

/// An edit or deletion of the user's own message.
#[derive(Clone, Copy)]
pub struct ChangeMessage<'a> {
    pub room: RoomKey<'a>,
    pub user_id: &'a str,
    pub token: &'a str,
    pub message: MessageRef<'a>,
}

/// A reference to a message.
#[derive(Clone, Copy)]
pub enum MessageRef<'a> {
    /// Its id, unique over all rooms.
    Id(&'a str),
    /// Its index in the room. No message has a negative one.
    Index(i64),
}
