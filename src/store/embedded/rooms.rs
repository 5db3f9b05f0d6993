//! Reads and writes rooms, and numbers their messages and changes.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::room::{Room, RoomCode, RoomId, RoomSecret, RoomSettings, RoomTitle};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::TokenHash;
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
    /// Number of log entries about reactions.
    pub(super) reaction_entries: u64,
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
           (SELECT ordinal + 1 FROM chatter WHERE room = r.key AND ordinal >= 0 ORDER BY ordinal DESC LIMIT 1),
           r.owner_token, r.secret, r.title, r.listed, r.capacity, r.slow_mode, r.locked, r.reaction_changes,
           r.reaction_entries
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

/// The rooms to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    /// All rooms that are alive.
    All,
    /// Only the listed ones among them.
    Listed,
}

/// Reads up to `limit` rooms that are alive at `now`, newest first, starting after `after`.
pub(super) fn list(
    connection: &Connection,
    listing: Listing,
    after: Option<(Timestamp, RoomId)>,
    limit: u32,
    now: Timestamp,
) -> rusqlite::Result<Vec<RoomState>> {
    // The time comes from a client's cursor, and SQLite integers have 63 bits.
    let latest = i64::MAX.unsigned_abs();
    let (created_at, id) = after.map_or((latest, [0xff; 16]), |(at, id)| (at.as_millis().min(latest), *id.as_bytes()));
    connection
        .prepare_cached(&format!(
            "{ROOM} WHERE (r.created_at, r.id) < (?1, ?2) AND r.expires_at > ?3 AND r.listed >= ?4
             ORDER BY r.created_at DESC, r.id DESC LIMIT ?5"
        ))?
        .query_map(params![created_at, id, now.as_millis(), listing == Listing::Listed, limit], |row| {
            from_row(row, now).map(|room| room.state)
        })?
        .collect()
}

/// Counts the listed rooms that are alive at `now`.
pub(super) fn count_listed(connection: &Connection, now: Timestamp) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT count(*) FROM room WHERE expires_at > ?1 AND listed")?
        .query_row([now.as_millis()], |row| row.get(0))
}

fn from_row(row: &Row<'_>, now: Timestamp) -> rusqlite::Result<RoomRow> {
    let room = Room {
        id: RoomId::from_bytes(row.get(1)?),
        code: RoomCode::from_stored(row.get(2)?),
        owner_token: TokenHash(row.get(12)?),
        secret: RoomSecret(row.get(13)?),
        created_at: Timestamp::from_millis(row.get(3)?),
        expires_at: Timestamp::from_millis(row.get(4)?),
    };
    let settings = RoomSettings {
        title: row.get::<_, Option<String>>(14)?.map(RoomTitle::from_stored),
        listed: row.get(15)?,
        capacity: row.get(16)?,
        slow_mode_seconds: row.get(17)?,
        locked: row.get(18)?,
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
    let state = RoomState { room, now, head, message_count, user_count, settings, reaction_changes: row.get(19)? };
    Ok(RoomRow { key: row.get(0)?, state, deleted, reaction_entries: row.get(20)? })
}

/// Adds a room. Returns `false` if its id is in use.
pub(super) fn insert(connection: &Connection, room: &Room, settings: &RoomSettings) -> rusqlite::Result<bool> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO room (id, code, owner_token, secret, created_at, expires_at, title, listed, capacity, slow_mode, locked)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            room.id.as_bytes(),
            room.code.reveal(),
            room.owner_token.0,
            room.secret.0,
            room.created_at.as_millis(),
            room.expires_at.as_millis(),
            settings.title.as_ref().map(RoomTitle::as_str),
            settings.listed,
            settings.capacity,
            settings.slow_mode_seconds,
            settings.locked,
        ])?;
    Ok(inserted > 0)
}

/// Stores the settings of the room.
pub(super) fn update_settings(connection: &Connection, key: i64, settings: &RoomSettings) -> rusqlite::Result<usize> {
    connection
        .prepare_cached(
            "UPDATE room SET title = ?2, listed = ?3, capacity = ?4, slow_mode = ?5, locked = ?6 WHERE key = ?1",
        )?
        .execute(params![
            key,
            settings.title.as_ref().map(RoomTitle::as_str),
            settings.listed,
            settings.capacity,
            settings.slow_mode_seconds,
            settings.locked,
        ])
}

/// Makes the room absent. The sweeper removes what is in it.
pub(super) fn end(connection: &Connection, key: i64) -> rusqlite::Result<usize> {
    connection.prepare_cached("UPDATE room SET expires_at = 0 WHERE key = ?1")?.execute([key])
}

/// A tag uses all 64 bits, so the stored integer may be negative.
pub(super) fn tag_to_sql(tag: EntryTag) -> i64 {
    tag.0.cast_signed()
}

pub(super) fn tag_from_sql(number: i64) -> EntryTag {
    EntryTag(number.cast_unsigned())
}

/// A time as far in the future as a column can have. SQLite integers have 63 bits.
pub(super) fn millis_to_sql(time: Timestamp) -> i64 {
    time.as_millis().min(i64::MAX.unsigned_abs()).cast_signed()
}
