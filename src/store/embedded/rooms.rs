//! Reads rooms, and numbers their messages and changes.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::room::{Room, RoomCode, RoomId};
use crate::domain::timestamp::Timestamp;
use crate::store::RoomState;

/// Low bits of the id of a message or a change, which number it in its room. The high bits are the key of the room. A room has
/// at most 10^7 messages and 10^8 log entries, and 2^35 rooms can be created.
const NUMBER_BITS: u32 = 28;

/// A room as stored in the tables.
pub(super) struct RoomRow {
    /// Identifies the room in the other tables. Never used again.
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

    /// The id of the message with this index, or of the change with this number.
    pub(super) fn id_of(&self, number: u64) -> i64 {
        self.key << NUMBER_BITS | number_to_sql(number)
    }
}

/// The ids of all messages and changes of the room with this key.
pub(super) const fn ids(room: i64) -> Range<i64> {
    room << NUMBER_BITS..(room + 1) << NUMBER_BITS
}

/// The index of the message or the number of the change with this id.
pub(super) const fn number_of(id: i64) -> u64 {
    id.cast_unsigned() & ((1 << NUMBER_BITS) - 1)
}

/// A number from a client may be larger than that of any message or change.
fn number_to_sql(number: u64) -> i64 {
    number.min((1 << NUMBER_BITS) - 1).cast_signed()
}

/// A room with its last message, change and user, from which its counts and the end of its log are read.
const ROOM: &str = "
    SELECT r.key, r.id, r.code, r.created_at, r.expires_at, m.id, m.seq, m.tag, c.id, c.tag, c.deleted,
           (SELECT ordinal + 1 FROM chatter WHERE room = r.key ORDER BY ordinal DESC LIMIT 1)
    FROM room r
    LEFT JOIN message m ON m.id =
        (SELECT id FROM message WHERE id >= r.key << 28 AND id < (r.key + 1) << 28 ORDER BY id DESC LIMIT 1)
    LEFT JOIN change c ON c.id =
        (SELECT id FROM change WHERE id >= r.key << 28 AND id < (r.key + 1) << 28 ORDER BY id DESC LIMIT 1)";

/// Reads the room if it is alive at `now`.
pub(super) fn find(connection: &Connection, id: RoomId, now: Timestamp) -> rusqlite::Result<Option<RoomRow>> {
    connection
        .prepare_cached(&format!("{ROOM} WHERE r.id = ?1 AND r.expires_at > ?2"))?
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
            "{ROOM} WHERE (r.created_at, r.id) < (?1, ?2) AND r.expires_at > ?3
             ORDER BY r.created_at DESC, r.id DESC LIMIT ?4"
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
    let (mut head, mut message_count, mut deleted) = (Position::START, 0, 0);
    if let Some(id) = row.get::<_, Option<i64>>(5)? {
        message_count = number_of(id) + 1;
        head = Position { seq: Seq(row.get(6)?), tag: tag_from_sql(row.get(7)?) };
    }
    if let Some(id) = row.get::<_, Option<i64>>(8)? {
        deleted = row.get(10)?;
        if Seq(number_of(id)) > head.seq {
            head = Position { seq: Seq(number_of(id)), tag: tag_from_sql(row.get(9)?) };
        }
    }
    let user_count = row.get::<_, Option<u64>>(11)?.unwrap_or(0);
    Ok(RoomRow { key: row.get(0)?, state: RoomState { room, now, head, message_count, user_count }, deleted })
}

/// A tag uses all 64 bits, so the stored integer may be negative.
pub(super) fn tag_to_sql(tag: EntryTag) -> i64 {
    tag.0.cast_signed()
}

pub(super) fn tag_from_sql(number: i64) -> EntryTag {
    EntryTag(number.cast_unsigned())
}
