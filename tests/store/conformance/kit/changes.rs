//! Builds rooms, users and changes.

use std::sync::Arc;
use std::time::Duration;

use livechat::domain::ban::BanReason;
use livechat::domain::event::Event;
use livechat::domain::message::{ClientMessageId, Message, MessageText};
use livechat::domain::position::EntryTag;
use livechat::domain::reaction::Emoji;
use livechat::domain::room::{RoomCode, RoomId, RoomSecret, RoomSettings, SettingsUpdate};
use livechat::domain::token::Token;
use livechat::domain::user::{AvatarUrl, DisplayName, Role, User, UserId};
use livechat::store::{Actor, AddressHash, Change, Commit, NewRoom, Reaction, RoomLimits, Store};

use super::{DAY, Outcome, ROOMY};

/// Creates a room that lives for a day.
pub async fn room(store: &Arc<dyn Store>) -> Outcome<RoomId> {
    Ok(store.create_room(new_room(RoomId::random(), &RoomCode::random(6), DAY)).await?.room.id)
}

pub fn named_user(name: &str) -> User {
    User {
        id: UserId::from_stored(format!("{name}-with-an-id")),
        display_name: DisplayName::from_stored(format!("{name} with a name")),
        avatar_url: None,
    }
}

/// A room to create, with default settings.
pub fn new_room(id: RoomId, code: &RoomCode, ttl: Duration) -> NewRoom {
    let (owner_token, secret) = (Token::random().hash(), RoomSecret::random());
    NewRoom { id, code: code.clone(), ttl, owner_token, secret, settings: RoomSettings::default() }
}

/// A user who acts from an unknown address.
pub fn actor(user: &User) -> Actor {
    Actor { user: user.clone(), is_owner: false, address: None }
}

/// The message of an event that has one.
pub fn message_of(event: &Event) -> &Message {
    event.message().expect("an event of a message")
}

/// The message of an event that has one.
pub fn into_message(event: Event) -> Message {
    message_of(&event).clone()
}

pub fn text(text: &str) -> MessageText {
    MessageText::from_stored(text.to_owned())
}

pub fn client_id(id: &str) -> ClientMessageId {
    ClientMessageId::from_stored(id.to_owned())
}

/// The commit of a change.
pub fn change(room: RoomId, change: Change) -> Commit {
    Commit { room, tag: EntryTag::random(), change }
}

/// A send with [`ROOMY`] limits.
pub fn send(room: RoomId, author: &User, words: &str) -> Commit {
    let author = actor(author);
    change(room, Change::Send { author, text: text(words), client_message_id: None, reply_to: None, limits: ROOMY })
}

/// A send with a client message id.
pub fn send_with_id(room: RoomId, author: &User, words: &str, id: &str) -> Commit {
    let (author, client_message_id) = (actor(author), Some(client_id(id)));
    change(room, Change::Send { author, text: text(words), client_message_id, reply_to: None, limits: ROOMY })
}

/// The same send with a limit of `messages` messages.
pub fn with_capacity(commit: Commit, messages: u64) -> Commit {
    with_limits(commit, RoomLimits { messages, ..ROOMY })
}

/// The same change with other limits.
pub fn with_limits(mut commit: Commit, new_limits: RoomLimits) -> Commit {
    match &mut commit.change {
        Change::Send { limits, .. }
        | Change::Edit { limits, .. }
        | Change::Update { limits, .. }
        | Change::Ban { limits, .. }
        | Change::Unban { limits, .. } => *limits = new_limits,
        Change::Delete { .. } => {}
    }
    commit
}

/// An edit of the message at its given revision.
pub fn edit(message: &Message, words: &str) -> Commit {
    let (editor, index, revision) = (actor(&message.author), message.id.index, message.revision);
    change(message.id.room, Change::Edit { editor, index, revision, text: text(words), limits: ROOMY })
}

/// A deletion of the message at its given revision, by its author.
pub fn delete(message: &Message) -> Commit {
    let (by, index, revision) = (Role::Member, message.id.index, message.revision);
    change(message.id.room, Change::Delete { by, index, revision })
}

/// Creates a room with these settings.
pub async fn room_with(store: &Arc<dyn Store>, settings: RoomSettings) -> Outcome<RoomId> {
    let room = NewRoom { settings, ..new_room(RoomId::random(), &RoomCode::random(6), DAY) };
    Ok(store.create_room(room).await?.room.id)
}

/// A user whom the host site vouches for.
pub fn signed_user(name: &str) -> User {
    User {
        id: UserId::from_stored(format!("@{name}-with-an-id")),
        display_name: DisplayName::from_stored(format!("{name} with a name")),
        avatar_url: Some(AvatarUrl::from_stored(format!("https://example.org/{name}.png"))),
    }
}

/// A user who acts from the address with this number.
pub fn at_address(user: &User, number: u8) -> Actor {
    Actor { address: Some(AddressHash([number; 16])), ..actor(user) }
}

/// A user who proves to be the owner.
pub fn owner(user: &User) -> Actor {
    Actor { is_owner: true, ..actor(user) }
}

/// The same change by another actor.
pub fn by(mut commit: Commit, actor: Actor) -> Commit {
    if let Change::Send { author: by, .. } | Change::Edit { editor: by, .. } = &mut commit.change {
        *by = actor;
    }
    commit
}

/// A send by `actor`.
pub fn send_by(room: RoomId, actor: Actor, words: &str) -> Commit {
    by(send(room, &actor.user.clone(), words), actor)
}

/// A send that answers the message at `index`.
pub fn reply(room: RoomId, author: &User, words: &str, index: u64) -> Commit {
    let mut commit = send(room, author, words);
    if let Change::Send { reply_to, .. } = &mut commit.change {
        *reply_to = Some(index);
    }
    commit
}

pub fn update(room: RoomId, settings: SettingsUpdate) -> Commit {
    change(room, Change::Update { settings, limits: ROOMY })
}

/// Locks the room or unlocks it.
pub fn lock(room: RoomId, locked: bool) -> Commit {
    update(room, SettingsUpdate { locked: Some(locked), ..SettingsUpdate::default() })
}

/// Sets the seconds of slow mode.
pub fn slow_mode(room: RoomId, seconds: u32) -> Commit {
    update(room, SettingsUpdate { slow_mode_seconds: Some(seconds), ..SettingsUpdate::default() })
}

/// A ban for the room's life.
pub fn ban(room: RoomId, user: &User) -> Commit {
    ban_for(room, user, None)
}

pub fn ban_for(room: RoomId, user: &User, duration: Option<Duration>) -> Commit {
    let reason = Some(BanReason::from_stored("a reason".into()));
    change(room, Change::Ban { user: user.id.clone(), duration, reason, limits: ROOMY })
}

pub fn unban(room: RoomId, user: &User) -> Commit {
    change(room, Change::Unban { user: user.id.clone(), limits: ROOMY })
}

pub fn emoji(emoji: &str) -> Emoji {
    Emoji::from_stored(emoji.to_owned())
}

/// Adds a reaction.
pub fn reaction(message: &Message, user: &User, with: &str) -> Reaction {
    Reaction {
        room: message.id.room,
        tag: EntryTag::random(),
        actor: actor(user),
        message: message.id.index,
        emoji: emoji(with),
        add: true,
        limits: ROOMY,
    }
}

/// Removes a reaction.
pub fn removal(message: &Message, user: &User, with: &str) -> Reaction {
    Reaction { add: false, ..reaction(message, user, with) }
}
