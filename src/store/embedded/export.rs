//! Reads everything that is alive from a data directory, for a migration to another store. The directory is locked as by a
//! server, so no server can change it meanwhile. Only the layout of an older version's database is changed.

use std::ops::Range;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};

use crate::domain::event::Event;
use crate::domain::message::Message;
use crate::domain::position::Seq;
use crate::domain::reaction::Emoji;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{SealedToken, TokenHash};
use crate::domain::user::{DisplayName, User, UserId};
use crate::store::embedded::bans;
use crate::store::embedded::clock::Clock;
use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::history;
use crate::store::embedded::members::{self, MemberRow};
use crate::store::embedded::open::OpenError;
use crate::store::embedded::rooms::{self, Listing, RoomRow, number_of};
use crate::store::{
    AddressHash, BanRecord, LastSent, MemberRecord, PresentedToken, ReactionEntryTimes, ReactionRecord, RoomState,
    Sender, StoreError, UserRecord,
};

/// A locked data directory.
#[derive(Debug)]
pub struct Export {
    connection: Connection,
    clock: Clock,
    /// Keeps the lock.
    _file: DatabaseFile,
}

impl Export {
    /// Opens the existing store in `directory`.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let (file, connection) = DatabaseFile::open_existing(directory)?;
        Ok(Self { connection, clock: Clock::start(), _file: file })
    }

    /// The number of users and of log entries of all rooms, together, including expired ones.
    pub fn size(&self) -> Result<u64, StoreError> {
        let count = |table: &str| -> rusqlite::Result<u64> {
            self.connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
        };
        Ok(count("user")? + count("message")? + count("change")?)
    }

    /// Reads up to `limit` users, ordered by id, starting after `after`.
    pub fn users(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<UserRecord>, StoreError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, display_name, current, previous, sealed, expires_at FROM user
             WHERE id > ?1 AND expires_at > ?2 ORDER BY id LIMIT ?3",
        )?;
        let users = statement.query_map(
            params![after.map_or("", UserId::as_str), self.clock.now().as_millis(), limit],
            |row| {
                let (previous, sealed): (Option<[u8; 32]>, Option<[u8; 16]>) = (row.get(3)?, row.get(4)?);
                Ok(UserRecord {
                    user: User {
                        id: UserId::from_stored(row.get(0)?),
                        display_name: DisplayName::from_stored(row.get(1)?),
                        avatar_url: None,
                    },
                    current: TokenHash(row.get(2)?),
                    previous: previous.zip(sealed).map(|(hash, sealed)| PresentedToken {
                        hash: TokenHash(hash),
                        sealed_next_token: SealedToken(sealed),
                    }),
                    expires_at: Timestamp::from_millis(row.get(5)?),
                })
            },
        )?;
        Ok(users.collect::<Result<_, _>>()?)
    }

    /// Reads up to `limit` rooms that are alive, newest first, starting after `after`.
    pub fn rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<Vec<RoomState>, StoreError> {
        Ok(rooms::list(&self.connection, Listing::All, after, limit, self.clock.now())?)
    }

    /// Reads messages of a room. Fails with [`StoreError::NotFound`] if the room has expired.
    pub fn messages(&self, room: RoomId, range: Range<u64>) -> Result<Vec<Message>, StoreError> {
        self.read_room(room, |room| history::messages(&self.connection, room, range))
    }

    /// Reads how often messages of a room were edited. Fails with [`StoreError::NotFound`] if the room has expired.
    pub fn edits(&self, room: RoomId, range: Range<u64>) -> Result<Vec<u64>, StoreError> {
        self.read_room(room, |room| {
            self.connection
                .prepare_cached("SELECT edits FROM message WHERE id >= ?1 AND id < ?2 ORDER BY id")?
                .query_map([room.id_of(range.start), room.id_of(range.end)], |row| row.get(0))?
                .collect()
        })
    }

    /// Reads up to `limit` users of a room, also those who have only joined, ordered by id, starting after `after`. Fails with
    /// [`StoreError::NotFound`] if the room has expired.
    pub fn members(&self, room: RoomId, after: Option<&UserId>, limit: u32) -> Result<Vec<MemberRecord>, StoreError> {
        self.read_room(room, |room| {
            let members = members::page_by_id(&self.connection, room.key, after, limit)?;
            let record = |(id, member): (UserId, MemberRow)| MemberRecord {
                role: member.role,
                address: member.address,
                index: u64::try_from(member.ordinal).ok(),
                user: member.user(id),
            };
            Ok(members.into_iter().map(record).collect())
        })
    }

    /// Reads up to `limit` bans of a room that hold, in order, starting after the one with the index `after`. Fails with
    /// [`StoreError::NotFound`] if the room has expired.
    pub fn bans(&self, room: RoomId, after: Option<u64>, limit: u32) -> Result<Vec<BanRecord>, StoreError> {
        self.read_room(room, |room| bans::page(&self.connection, room.key, after, limit, room.state.now))
    }

    /// Reads up to `limit` times of last messages in slow mode, starting after the first `skip`. Fails with
    /// [`StoreError::NotFound`] if the room has expired.
    pub fn last_sent(&self, room: RoomId, skip: u64, limit: u32) -> Result<Vec<LastSent>, StoreError> {
        self.read_room(room, |room| {
            self.connection
                .prepare_cached(
                    "SELECT subject, at FROM last_sent WHERE room = ?1 ORDER BY subject LIMIT ?2 OFFSET ?3",
                )?
                .query_map(params![room.key, limit, skip], |row| {
                    let sender = match row.get_ref(0)? {
                        ValueRef::Text(_) => Sender::User(UserId::from_stored(row.get(0)?)),
                        _ => Sender::Address(AddressHash(row.get(0)?)),
                    };
                    Ok(LastSent { sender, at: Timestamp::from_millis(row.get(1)?) })
                })?
                .collect()
        })
    }

    /// Reads all reactions to the messages of a room with these indexes. Fails with [`StoreError::NotFound`] if the room has
    /// expired.
    pub fn reactions(&self, room: RoomId, messages: Range<u64>) -> Result<Vec<ReactionRecord>, StoreError> {
        self.read_room(room, |room| {
            self.connection
                .prepare_cached(
                    "SELECT message, user, emoji, is_on, toggles FROM reaction WHERE message >= ?1 AND message < ?2
                     ORDER BY message, user, emoji",
                )?
                .query_map([room.id_of(messages.start), room.id_of(messages.end)], |row| {
                    Ok(ReactionRecord {
                        message: number_of(row.get(0)?),
                        user: UserId::from_stored(row.get(1)?),
                        emoji: Emoji::from_stored(row.get(2)?),
                        is_on: row.get(3)?,
                        toggles: row.get(4)?,
                    })
                })?
                .collect()
        })
    }

    /// Reads when the messages of a room with these indexes had their entries about reactions, of those that had one. Fails
    /// with [`StoreError::NotFound`] if the room has expired.
    pub fn reaction_entries(&self, room: RoomId, messages: Range<u64>) -> Result<Vec<ReactionEntryTimes>, StoreError> {
        self.read_room(room, |room| {
            self.connection
                .prepare_cached(
                    "SELECT message, logged_at, due FROM reaction_entry WHERE message >= ?1 AND message < ?2 ORDER BY message",
                )?
                .query_map([room.id_of(messages.start), room.id_of(messages.end)], |row| {
                    Ok(ReactionEntryTimes {
                        message: number_of(row.get(0)?),
                        logged_at: Timestamp::from_millis(row.get(1)?),
                        due: row.get::<_, Option<u64>>(2)?.map(Timestamp::from_millis),
                    })
                })?
                .collect()
        })
    }

    /// Reads up to `limit` entries of a room's log from number `from` on. Fails with [`StoreError::NotFound`] if the room has
    /// expired.
    pub fn log(&self, room: RoomId, from: Seq, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.read_room(room, |room| history::events(&self.connection, room, from, limit))
    }

    fn read_room<T>(&self, id: RoomId, read: impl FnOnce(&RoomRow) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let room = rooms::find(&self.connection, id, self.clock.now())?;
        Ok(read(&room.ok_or(StoreError::NotFound)?)?)
    }
}
