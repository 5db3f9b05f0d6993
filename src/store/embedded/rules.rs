//! Decides whether the rules of a room allow a user to act: bans, the lock and slow mode. Nothing is forbidden to an owner.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, ToSql, params};

use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Role, User};
use crate::store::embedded::bans;
use crate::store::embedded::room_cache::CachedRoom;
use crate::store::embedded::rooms::{self, RoomRow};
use crate::store::{Actor, AddressHash, Denial, SLOW_MODE_LOOKBACK, StoreError};

/// The address of an actor that bans and slow mode know: that of a signed user does not count.
fn address_of(actor: &Actor) -> Option<AddressHash> {
    actor.address.filter(|_| !actor.user.id.is_signed())
}

/// The role of the actor in this action.
pub(super) fn role(connection: &Connection, room: &mut CachedRoom, actor: &Actor) -> rusqlite::Result<Role> {
    if actor.is_owner {
        return Ok(Role::Owner);
    }
    Ok(room.member(connection, &actor.user.id)?.map_or(Role::Member, |member| member.role))
}

/// Fails unless bans allow the actor to act at all.
pub(super) fn check_bans(connection: &Connection, room: &mut CachedRoom, actor: &Actor) -> Result<(), StoreError> {
    if !room.has_bans || role(connection, room, actor)? == Role::Owner {
        return Ok(());
    }
    let now = room.row.state.now;
    match bans::find_end(connection, room.row.key, &actor.user.id, address_of(actor), now)? {
        Some(until) => Err(StoreError::Denied(Denial::Banned { until })),
        None => Ok(()),
    }
}

/// Fails unless bans and the lock allow the actor to write.
pub(super) fn check(connection: &Connection, room: &mut CachedRoom, actor: &Actor) -> Result<(), StoreError> {
    check_bans(connection, room, actor)?;
    if room.row.state.settings.locked && role(connection, room, actor)? != Role::Owner {
        return Err(StoreError::Denied(Denial::Locked));
    }
    Ok(())
}

/// The messages that slow mode counts a message against.
pub(super) struct Pace {
    user: User,
    address: Option<AddressHash>,
}

/// Fails unless slow mode allows the author to send now. Returns what [`record`](Pace::record) stores once the message is sent;
/// `None` if slow mode does not concern it.
pub(super) fn check_pace(
    connection: &Connection,
    room: &mut CachedRoom,
    author: &Actor,
) -> Result<Option<Pace>, StoreError> {
    let pause = Duration::from_secs(room.row.state.settings.slow_mode_seconds.into());
    if pause.is_zero() || role(connection, room, author)? == Role::Owner {
        return Ok(None);
    }
    let is_first = !room.member(connection, &author.user.id)?.is_some_and(|member| member.has_sent());
    let pace = Pace { user: author.user.clone(), address: address_of(author).filter(|_| is_first) };
    let (key, now) = (room.row.key, room.row.state.now);
    let mut retry_after = Duration::ZERO;
    for subject in pace.subjects() {
        let last: Option<u64> = connection
            .prepare_cached("SELECT at FROM last_sent WHERE room = ?1 AND subject = ?2")?
            .query_row(params![key, subject], |row| row.get(0))
            .optional()?;
        let next = last.map_or(now, |last| Timestamp::from_millis(last).plus(pause));
        retry_after = retry_after.max(next.since(now));
    }
    if retry_after.is_zero() { Ok(Some(pace)) } else { Err(StoreError::Denied(Denial::SlowMode { retry_after })) }
}

/// Stores when the authors of the room's last messages sent them, so that slow mode counts them from the moment it is on.
pub(super) fn record_earlier_messages(connection: &Connection, room: &RoomRow) -> rusqlite::Result<usize> {
    let ids = rooms::ids(room.key);
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO last_sent (room, subject, at)
             SELECT ?1, author, max(created_at)
             FROM (SELECT author, created_at FROM message WHERE id >= ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4)
             GROUP BY author",
        )?
        .execute(params![room.key, ids.start, ids.end, SLOW_MODE_LOOKBACK])
}

impl Pace {
    fn subjects(&self) -> impl Iterator<Item = Box<dyn ToSql>> {
        let user: Box<dyn ToSql> = Box::new(self.user.id.as_str().to_owned());
        let address = self.address.map(|address| Box::new(address.0) as Box<dyn ToSql>);
        std::iter::once(user).chain(address)
    }

    /// Stores that the message was sent now.
    pub(super) fn record(&self, connection: &Connection, room: &CachedRoom) -> rusqlite::Result<()> {
        for subject in self.subjects() {
            connection
                .prepare_cached("INSERT OR REPLACE INTO last_sent (room, subject, at) VALUES (?1, ?2, ?3)")?
                .execute(params![room.row.key, subject, room.row.state.now.as_millis()])?;
        }
        Ok(())
    }
}
