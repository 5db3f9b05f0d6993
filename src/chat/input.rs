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
    /// The message of the same room that this one answers.
    pub reply_to_id: Option<&'a str>,
    /// Proves the sender to be the owner.
    pub owner_token: Option<&'a str>,
}

/// A user who joins a room without a message.
#[derive(Clone, Copy)]
pub struct JoinRoom<'a> {
    pub room: RoomKey<'a>,
    pub user_id: Option<&'a str>,
    pub token: Option<&'a str>,
    pub display_name: Option<&'a str>,
    pub owner_token: Option<&'a str>,
}

/// A room, and the token that proves its owner.
#[derive(Clone, Copy)]
pub struct OwnerKey<'a> {
    pub room_id: &'a str,
    pub token: &'a str,
}

/// Settings as a client gives them. `None` leaves a setting as it is.
#[derive(Clone, Copy, Default)]
pub struct ChangeSettings<'a> {
    /// `Some(None)` clears the title.
    pub title: Option<Option<&'a str>>,
    pub listed: Option<bool>,
    /// `Some(None)` removes the limit.
    pub capacity: Option<Option<i32>>,
    pub slow_mode_seconds: Option<i32>,
    pub locked: Option<bool>,
}

/// A user to ban.
#[derive(Clone, Copy)]
pub struct BanUser<'a> {
    pub user_id: &'a str,
    /// `None` for the room's life.
    pub seconds: Option<i32>,
    pub reason: Option<&'a str>,
    /// Whether to remove the user's messages, too.
    pub remove_messages: bool,
}

/// A reaction to add or to remove.
#[derive(Clone, Copy)]
pub struct React<'a> {
    pub room: RoomKey<'a>,
    pub user_id: &'a str,
    pub token: &'a str,
    pub message_id: &'a str,
    pub emoji: &'a str,
    /// Whether to add the reaction rather than to remove it.
    pub add: bool,
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
