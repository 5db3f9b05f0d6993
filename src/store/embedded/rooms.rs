//! Reads rooms.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::room::{Room, RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::store::RoomState;

/// A row of the `room` table.
pub(super) struct RoomRow {
    /// Identifies the room in the other tables.
    pub(super) key: i64,
    pub(super) state: RoomState,
    /// Number of deleted messages.
    pub(super) deleted: u64,
}

impl RoomRow {
    /// Number of messages that are not deleted.
    pub(super) const fn live(&self) -> u64 {
        self.state.message_count.saturating_sub(self.deleted)
    }
}

const COLUMNS: &str = "key, id, code, created_at, expires_at, seq, mark, messages, chatters, deleted";

/// Reads the room if it is alive at `now`.
pub(super) fn find(connection: &Connection, id: RoomId, now: Timestamp) -> rusqlite::Result<Option<RoomRow>> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM room WHERE id = ?1 AND expires_at > ?2"))?
        .query_row(params![id.as_bytes(), now.as_millis()], |row| from_row(row, now))
        .optional()
}

/// Reads up to `limit` rooms that are alive at `now`, newest first, starting after `after`.
pub(super) fn list(
    connection: &Connection,
    after: Option<(Timestamp, RoomId)>,
    limit: u32,
    now: Timestamp,
) -> rusqlite::Result<Vec<RoomState>> {
    // The time comes from a client's cursor, and SQLite integers have 63 bits.
    let latest = i64::MAX.unsigned_abs();
    let (created_at, id) = after.map_or((latest, [0xff; 16]), |(at, id)| (at.as_millis().min(latest), *id.as_bytes()));
    connection
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM room WHERE (created_at, id) < (?1, ?2) AND expires_at > ?3
             ORDER BY created_at DESC, id DESC LIMIT ?4"
        ))?
        .query_map(params![created_at, id, now.as_millis(), limit], |row| from_row(row, now).map(|room| room.state))?
        .collect()
}

/// Counts the rooms that are alive at `now`.
pub(super) fn count(connection: &Connection, now: Timestamp) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM room WHERE expires_at > ?1")?
        .query_row([now.as_millis()], |row| row.get(0))
}

fn from_row(row: &Row<'_>, now: Timestamp) -> rusqlite::Result<RoomRow> {
    let room = Room {
        id: RoomId::from_bytes(row.get(1)?),
        code: RoomCode::from_stored(row.get(2)?),
        created_at: Timestamp::from_millis(row.get(3)?),
        expires_at: Timestamp::from_millis(row.get(4)?),
    };
    let head = Position { seq: Seq(row.get(5)?), tag: tag_from_sql(row.get(6)?) };
    let state = RoomState { room, now, head, message_count: row.get(7)?, user_count: row.get(8)? };
    Ok(RoomRow { key: row.get(0)?, state, deleted: row.get(9)? })
}

/// A tag uses all 64 bits, so the stored integer may be negative.
pub(super) fn tag_to_sql(tag: EntryTag) -> i64 {
    tag.0.cast_signed()
}

pub(super) fn tag_from_sql(number: i64) -> EntryTag {
    EntryTag(number.cast_unsigned())
}
