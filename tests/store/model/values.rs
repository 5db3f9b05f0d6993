//! The values that operations name by small numbers, and the comparison of results.

use livechat::domain::message::{ClientMessageId, MessageText};
use livechat::domain::page::{Take, Window};
use livechat::domain::reaction::Emoji;
use livechat::domain::room::{RoomId, RoomTitle, SettingsUpdate};
use livechat::domain::user::{AvatarUrl, DisplayName, User, UserId};
use livechat::store::{Actor, AddressHash, Denial, RoomLimits, StoreError};

use super::operation::{Setting, SmallActor, SmallLimits, SmallWindow};
use crate::store::conformance::kit::{client_id, named_user, text};

/// The id of a room. The same in each run, so that a sequence can be repeated.
pub fn room_id(room: u8) -> RoomId {
    RoomId::from_bytes([room + 1; 16])
}

/// The last user is signed, and has another name each time.
pub fn user(number: u8, variant: u8) -> User {
    let user = named_user(&format!("user {number}"));
    if number < 2 {
        return user;
    }
    User {
        id: UserId::from_stored(format!("@{}", user.id.as_str())),
        display_name: DisplayName::from_stored(format!("name {variant}")),
        avatar_url: Some(AvatarUrl::from_stored(format!("https://example.org/{variant}"))),
    }
}

pub fn actor(actor: SmallActor, variant: u8) -> Actor {
    let SmallActor { user: number, address, is_owner } = actor;
    Actor { user: user(number, variant), is_owner, address: address.map(|address| AddressHash([address; 16])) }
}

pub fn emoji(number: u8) -> Emoji {
    Emoji::from_stored(["👍", "🎉", "❤️"][usize::from(number)].to_owned())
}

pub fn settings_update(setting: Setting) -> SettingsUpdate {
    let update = SettingsUpdate::default();
    match setting {
        Setting::Nothing => update,
        Setting::Title(title) => {
            let title = title.map(|title| RoomTitle::from_stored(format!("title {title}")));
            SettingsUpdate { title: Some(title), ..update }
        }
        Setting::Listed(listed) => SettingsUpdate { listed: Some(listed), ..update },
        Setting::Locked(locked) => SettingsUpdate { locked: Some(locked), ..update },
        // Longer than any test runs.
        Setting::SlowMode(on) => SettingsUpdate { slow_mode_seconds: Some(if on { 3_600 } else { 0 }), ..update },
    }
}

pub fn small_text(number: u8) -> MessageText {
    text(&format!("text {number}"))
}

pub fn room_limits(limits: SmallLimits) -> RoomLimits {
    let SmallLimits { messages, events, edits } = limits;
    RoomLimits { messages: messages.into(), events: events.into(), edits: edits.into() }
}

pub fn small_client_id(id: u8) -> ClientMessageId {
    client_id(&format!("id {id}"))
}

pub fn window(small: SmallWindow) -> Window {
    let take = if small.from_the_end { Take::Last(small.size.into()) } else { Take::First(small.size.into()) };
    Window { after: small.after.map(u64::from), before: small.before.map(u64::from), take }
}

/// Fails with both values if they differ.
pub fn ensure_same<T: PartialEq + std::fmt::Debug>(store: T, model: T) -> Result<(), String> {
    if store == model { Ok(()) } else { Err(format!("the store returned {store:?}, the model {model:?}")) }
}

/// A comparable form of a result: errors by their name, without times that depend on when the operation ran.
pub fn comparable<T>(result: Result<T, StoreError>) -> Result<T, String> {
    result.map_err(|error| match error {
        StoreError::Denied(Denial::SlowMode { .. }) => "slow mode".to_owned(),
        StoreError::Denied(denial) => format!("{denial:?}"),
        error => error.to_string(),
    })
}

pub fn refused<T>(error: StoreError) -> Result<T, String> {
    Err(error.to_string())
}

pub fn items_in_window<T: Clone>(list: &[T], small: SmallWindow) -> Vec<T> {
    let SmallWindow { after, before, size, from_the_end } = small;
    let is_inside = |n: &u64| after.is_none_or(|after| *n > after.into()) && before.is_none_or(|b| *n < b.into());
    let inside: Vec<T> = (0..).zip(list).filter(|(n, _)| is_inside(n)).map(|(_, item)| item.clone()).collect();
    let skipped = if from_the_end { inside.len().saturating_sub(size.into()) } else { 0 };
    inside.into_iter().skip(skipped).take(size.into()).collect()
}
