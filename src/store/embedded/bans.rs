//! Reads and writes the bans of a room.

use rusqlite::{Connection, Row, params};

use crate::domain::ban::{Ban, BanReason};
use crate::domain::limits::BANS_MAX;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{AvatarUrl, DisplayName, User, UserId};
use crate::store::embedded::rooms::millis_to_sql;
use crate::store::{AddressHash, BanRecord};

/// Whether the room has bans, including expired ones.
pub(super) fn exist(connection: &Connection, room: i64) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM ban WHERE room = ?1")?.exists([room])
}

/// The end of the last ban that holds for the user or the address; `Some(None)` if one holds for the room's life.
pub(super) fn find_end(
    connection: &Connection,
    room: i64,
    user: &UserId,
    address: Option<AddressHash>,
    now: Timestamp,
) -> rusqlite::Result<Option<Option<Timestamp>>> {
    let mut statement = connection.prepare_cached(
        "SELECT until, until IS NULL AS is_endless FROM ban
         WHERE room = ?1 AND user = ?2 AND (until IS NULL OR until > ?4)
         UNION ALL
         SELECT until, until IS NULL FROM ban
         WHERE room = ?1 AND address IS NOT NULL AND address = ?3 AND (until IS NULL OR until > ?4)
         ORDER BY is_endless DESC, until DESC LIMIT 1",
    )?;
    let mut rows = statement.query(params![room, user.as_str(), address.map(|address| address.0), now.as_millis()])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(row.get::<_, Option<u64>>(0)?.map(Timestamp::from_millis)))
}

/// Whether the room has space for a ban of the user. Removes bans that are over, and the user's.
pub(super) fn make_space(connection: &Connection, room: i64, user: &UserId, now: Timestamp) -> rusqlite::Result<bool> {
    let others: u64 = connection
        .prepare_cached("SELECT count(*) FROM ban WHERE room = ?1 AND user <> ?2 AND (until IS NULL OR until > ?3)")?
        .query_row(params![room, user.as_str(), now.as_millis()], |row| row.get(0))?;
    if others >= BANS_MAX {
        return Ok(false);
    }
    connection.prepare_cached("DELETE FROM ban WHERE room = ?1 AND (user = ?2 OR until <= ?3)")?.execute(params![
        room,
        user.as_str(),
        now.as_millis()
    ])?;
    Ok(true)
}

pub(super) fn insert(connection: &Connection, room: i64, row: &BanRecord) -> rusqlite::Result<usize> {
    let BanRecord { index, ban, address } = row;
    connection
        .prepare_cached(
            "INSERT INTO ban (room, seq, user, at, until, reason, address) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            room,
            index,
            ban.user.id.as_str(),
            ban.at.as_millis(),
            ban.until.map(millis_to_sql),
            ban.reason.as_ref().map(BanReason::as_str),
            address.map(|address| address.0),
        ])
}

pub(super) fn remove(connection: &Connection, room: i64, user: &UserId) -> rusqlite::Result<usize> {
    connection.prepare_cached("DELETE FROM ban WHERE room = ?1 AND user = ?2")?.execute(params![room, user.as_str()])
}

/// Counts the bans that hold.
pub(super) fn count(connection: &Connection, room: i64, now: Timestamp) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM ban WHERE room = ?1 AND (until IS NULL OR until > ?2)")?
        .query_row(params![room, now.as_millis()], |row| row.get(0))
}

/// Reads up to `limit` bans that hold, in the order in which they were made, starting after the one with the index `after`.
pub(super) fn page(
    connection: &Connection,
    room: i64,
    after: Option<u64>,
    limit: u32,
    now: Timestamp,
) -> rusqlite::Result<Vec<BanRecord>> {
    // The index comes from a client's cursor, and SQLite integers have 63 bits.
    let after = after.map_or(0, |after| after.min(i64::MAX.unsigned_abs()));
    connection
        .prepare_cached(
            "SELECT b.seq, b.user, b.at, b.until, b.reason, b.address, c.display_name, c.avatar_url
             FROM ban b JOIN chatter c ON c.room = b.room AND c.user = b.user
             WHERE b.room = ?1 AND b.seq > ?2 AND (b.until IS NULL OR b.until > ?3) ORDER BY b.seq LIMIT ?4",
        )?
        .query_map(params![room, after, now.as_millis(), limit], from_row)?
        .collect()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<BanRecord> {
    let user = User {
        id: UserId::from_stored(row.get(1)?),
        display_name: DisplayName::from_stored(row.get(6)?),
        avatar_url: row.get::<_, Option<String>>(7)?.map(AvatarUrl::from_stored),
    };
    let ban = Ban {
        user,
        at: Timestamp::from_millis(row.get(2)?),
        until: row.get::<_, Option<u64>>(3)?.map(Timestamp::from_millis),
        reason: row.get::<_, Option<String>>(4)?.map(BanReason::from_stored),
    };
    Ok(BanRecord { index: row.get(0)?, ban, address: row.get::<_, Option<[u8; 16]>>(5)?.map(AddressHash) })
}
