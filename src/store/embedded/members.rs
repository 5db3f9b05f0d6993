//! Reads and writes the users of a room, in the table `chatter`.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::domain::limits::JOINED_USERS_MAX;
use crate::domain::user::{AvatarUrl, DisplayName, Role, User, UserId};
use crate::store::embedded::event_kinds::{role_from_sql, role_to_sql};
use crate::store::{Actor, AddressHash};

/// A user as stored in a room, without its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemberRow {
    /// Users who have sent a message count up from 0, in the order of their first messages. Users who have only joined count down
    /// from -1.
    pub(super) ordinal: i64,
    display_name: DisplayName,
    avatar_url: Option<AvatarUrl>,
    pub(super) role: Role,
    /// The last known address from which the user wrote, reacted or joined.
    pub(super) address: Option<AddressHash>,
}

impl MemberRow {
    /// Whether the user has sent a message.
    pub(super) const fn has_sent(&self) -> bool {
        self.ordinal >= 0
    }

    pub(super) fn user(&self, id: UserId) -> User {
        User { id, display_name: self.display_name.clone(), avatar_url: self.avatar_url.clone() }
    }

    /// The row of a new user.
    pub(super) fn new(ordinal: i64, actor: &Actor) -> Self {
        let User { display_name, avatar_url, .. } = actor.user.clone();
        let role = if actor.is_owner { Role::Owner } else { Role::Member };
        Self { ordinal, display_name, avatar_url, role, address: actor.address }
    }

    /// The row after `actor`, who is this user, has acted without a message: name and picture stay.
    pub(super) fn after_action(&self, actor: &Actor) -> Self {
        let role = if actor.is_owner { Role::Owner } else { self.role };
        Self { role, address: actor.address.or(self.address), ..self.clone() }
    }

    /// Whether it stays the same when `actor`, who is this user, acts.
    pub(super) fn is_current(&self, actor: &Actor) -> bool {
        let is_same_user = !actor.user.id.is_signed()
            || self.display_name == actor.user.display_name && self.avatar_url == actor.user.avatar_url;
        let is_same_role = !actor.is_owner || self.role == Role::Owner;
        is_same_user && is_same_role && (actor.address.is_none() || actor.address == self.address)
    }

    /// The row after `actor`, who is this user, has acted. Only the name and the picture of a signed user change.
    pub(super) fn updated(&self, actor: &Actor) -> Self {
        let new = Self::new(self.ordinal, actor);
        let (display_name, avatar_url) = if actor.user.id.is_signed() {
            (new.display_name, new.avatar_url)
        } else {
            (self.display_name.clone(), self.avatar_url.clone())
        };
        let role = if self.role == Role::Owner { Role::Owner } else { new.role };
        Self { ordinal: self.ordinal, display_name, avatar_url, role, address: new.address.or(self.address) }
    }
}

const COLUMNS: &str = "ordinal, display_name, avatar_url, role, address, user";

fn from_row(row: &Row<'_>) -> rusqlite::Result<MemberRow> {
    Ok(MemberRow {
        ordinal: row.get(0)?,
        display_name: DisplayName::from_stored(row.get(1)?),
        avatar_url: row.get::<_, Option<String>>(2)?.map(AvatarUrl::from_stored),
        role: role_from_sql(row.get(3)?),
        address: row.get::<_, Option<[u8; 16]>>(4)?.map(AddressHash),
    })
}

/// Reads a user of the room.
pub(super) fn find(connection: &Connection, room: i64, user: &UserId) -> rusqlite::Result<Option<MemberRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM chatter WHERE room = ?1 AND user = ?2"))?
        .query_row(params![room, user.as_str()], from_row)
        .optional()
}

/// Reads the users with these ordinals, in order.
pub(super) fn page(
    connection: &Connection,
    room: i64,
    ordinals: Range<i64>,
) -> rusqlite::Result<Vec<(UserId, MemberRow)>> {
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM chatter WHERE room = ?1 AND ordinal >= ?2 AND ordinal < ?3 ORDER BY ordinal"
        ))?
        .query_map(params![room, ordinals.start, ordinals.end], |row| {
            Ok((UserId::from_stored(row.get(5)?), from_row(row)?))
        })?
        .collect()
}

/// Reads up to `limit` users, also those who have only joined, ordered by id, starting after `after`.
pub(super) fn page_by_id(
    connection: &Connection,
    room: i64,
    after: Option<&UserId>,
    limit: u32,
) -> rusqlite::Result<Vec<(UserId, MemberRow)>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM chatter WHERE room = ?1 AND user > ?2 ORDER BY user LIMIT ?3"))?
        .query_map(params![room, after.map_or("", UserId::as_str), limit], |row| {
            Ok((UserId::from_stored(row.get(5)?), from_row(row)?))
        })?
        .collect()
}

/// Adds a user to the room.
pub(super) fn insert(connection: &Connection, room: i64, user: &UserId, member: &MemberRow) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "INSERT INTO chatter (room, user, ordinal, display_name, avatar_url, role, address)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            room,
            user.as_str(),
            member.ordinal,
            member.display_name.as_str(),
            member.avatar_url.as_ref().map(AvatarUrl::as_str),
            role_to_sql(member.role),
            member.address.map(|address| address.0),
        ])
}

/// Replaces a user of the room.
pub(super) fn update(connection: &Connection, room: i64, user: &UserId, member: &MemberRow) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE chatter SET ordinal = ?3, display_name = ?4, avatar_url = ?5, role = ?6, address = ?7
             WHERE room = ?1 AND user = ?2",
        )?
        .execute(params![
            room,
            user.as_str(),
            member.ordinal,
            member.display_name.as_str(),
            member.avatar_url.as_ref().map(AvatarUrl::as_str),
            role_to_sql(member.role),
            member.address.map(|address| address.0),
        ])
}

/// The ordinal of the next user who joins without a message. `None` if too many have.
pub(super) fn next_joined(connection: &Connection, room: i64) -> rusqlite::Result<Option<i64>> {
    let next: i64 = connection
        .prepare_cached("SELECT coalesce(min(ordinal), 0) - 1 FROM chatter WHERE room = ?1 AND ordinal < 0")?
        .query_row([room], |row| row.get(0))?;
    // Counts only if it must, because some of them may have sent a message since.
    if next.unsigned_abs() <= JOINED_USERS_MAX {
        return Ok(Some(next));
    }
    let joined: u64 = connection
        .prepare_cached("SELECT count(*) FROM chatter WHERE room = ?1 AND ordinal < 0")?
        .query_row([room], |row| row.get(0))?;
    Ok((joined < JOINED_USERS_MAX).then_some(next))
}
