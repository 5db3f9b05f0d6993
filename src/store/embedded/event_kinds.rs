//! The stored forms of kinds of events, of what they are about, and of roles.
//!
//! A kind or a field that only newer versions know is passed over.

use rusqlite::Row;
use serde::{Deserialize, Serialize};

use crate::domain::ban::{Ban, BanReason};
use crate::domain::event::EventKind;
use crate::domain::message::Message;
use crate::domain::room::{RoomSettings, RoomTitle};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{AvatarUrl, DisplayName, Role, User, UserId};

const EDITED: i64 = 1;
const DELETED: i64 = 2;
const REACTIONS_CHANGED: i64 = 3;
const ROOM_UPDATED: i64 = 4;
const USER_BANNED: i64 = 5;
const USER_UNBANNED: i64 = 6;

/// What a row of the table `change` stores about an event.
pub(super) struct StoredKind<'a> {
    pub(super) number: i64,
    pub(super) message: Option<&'a Message>,
    pub(super) payload: Option<String>,
}

/// The stored form of a kind. `None` if no entry of the table has it.
pub(super) fn to_sql(kind: &EventKind) -> Option<StoredKind<'_>> {
    let (number, payload) = match kind {
        // The entry of a send is its message.
        EventKind::Sent(_) | EventKind::RoomEnded | EventKind::Unknown => return None,
        EventKind::Edited(_) => (EDITED, None),
        EventKind::Deleted(_) => (DELETED, None),
        EventKind::ReactionsChanged(_) => (REACTIONS_CHANGED, None),
        EventKind::RoomUpdated(settings) => (ROOM_UPDATED, to_json(&StoredSettings::from(settings))),
        EventKind::UserBanned(ban) => (USER_BANNED, to_json(&StoredBan::from(ban))),
        EventKind::UserUnbanned(user) => (USER_UNBANNED, to_json(&StoredUser::from(user))),
    };
    Some(StoredKind { number, message: kind.message(), payload })
}

/// Reads a kind from the column `kind`, the column of its payload, and its message, which `read_message` reads if the kind has one.
pub(super) fn from_sql(
    row: &Row<'_>,
    kind: usize,
    payload: usize,
    read_message: impl FnOnce() -> rusqlite::Result<Message>,
) -> rusqlite::Result<EventKind> {
    Ok(match row.get::<_, i64>(kind)? {
        EDITED => EventKind::Edited(read_message()?),
        DELETED => EventKind::Deleted(read_message()?),
        REACTIONS_CHANGED => EventKind::ReactionsChanged(read_message()?),
        ROOM_UPDATED => read_payload(row, payload, |settings: StoredSettings| EventKind::RoomUpdated(settings.into()))?,
        USER_BANNED => read_payload(row, payload, |ban: StoredBan| EventKind::UserBanned(ban.into()))?,
        USER_UNBANNED => read_payload(row, payload, |user: StoredUser| EventKind::UserUnbanned(user.into()))?,
        _ => EventKind::Unknown,
    })
}

fn to_json(payload: &impl Serialize) -> Option<String> {
    // Text, numbers and booleans are always JSON.
    serde_json::to_string(payload).ok()
}

fn read_payload<T: for<'a> Deserialize<'a>>(
    row: &Row<'_>,
    column: usize,
    kind: impl FnOnce(T) -> EventKind,
) -> rusqlite::Result<EventKind> {
    let payload: Option<String> = row.get(column)?;
    Ok(payload.and_then(|json| serde_json::from_str(&json).ok()).map_or(EventKind::Unknown, kind))
}

#[derive(Serialize, Deserialize)]
struct StoredSettings {
    title: Option<String>,
    listed: bool,
    capacity: Option<u32>,
    slow_mode_seconds: u32,
    locked: bool,
}

impl From<&RoomSettings> for StoredSettings {
    fn from(settings: &RoomSettings) -> Self {
        let RoomSettings { title, listed, capacity, slow_mode_seconds, locked } = settings;
        let title = title.as_ref().map(|title| title.as_str().to_owned());
        Self { title, listed: *listed, capacity: *capacity, slow_mode_seconds: *slow_mode_seconds, locked: *locked }
    }
}

impl From<StoredSettings> for RoomSettings {
    fn from(stored: StoredSettings) -> Self {
        let StoredSettings { title, listed, capacity, slow_mode_seconds, locked } = stored;
        Self { title: title.map(RoomTitle::from_stored), listed, capacity, slow_mode_seconds, locked }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredUser {
    id: String,
    display_name: String,
    avatar_url: Option<String>,
}

impl From<&User> for StoredUser {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.as_str().to_owned(),
            display_name: user.display_name.as_str().to_owned(),
            avatar_url: user.avatar_url.as_ref().map(|url| url.as_str().to_owned()),
        }
    }
}

impl From<StoredUser> for User {
    fn from(stored: StoredUser) -> Self {
        Self {
            id: UserId::from_stored(stored.id),
            display_name: DisplayName::from_stored(stored.display_name),
            avatar_url: stored.avatar_url.map(AvatarUrl::from_stored),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct StoredBan {
    user: StoredUser,
    at: u64,
    until: Option<u64>,
    reason: Option<String>,
}

impl From<&Ban> for StoredBan {
    fn from(ban: &Ban) -> Self {
        Self {
            user: StoredUser::from(&ban.user),
            at: ban.at.as_millis(),
            until: ban.until.map(Timestamp::as_millis),
            reason: ban.reason.as_ref().map(|reason| reason.as_str().to_owned()),
        }
    }
}

impl From<StoredBan> for Ban {
    fn from(stored: StoredBan) -> Self {
        Self {
            user: stored.user.into(),
            at: Timestamp::from_millis(stored.at),
            until: stored.until.map(Timestamp::from_millis),
            reason: stored.reason.map(BanReason::from_stored),
        }
    }
}

pub(super) const fn role_to_sql(role: Role) -> i64 {
    match role {
        Role::Member => 0,
        Role::Owner => 1,
    }
}

pub(super) const fn role_from_sql(number: i64) -> Role {
    if number == 1 { Role::Owner } else { Role::Member }
}
