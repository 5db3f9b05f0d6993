//! Reads everything that is alive from a data directory, for a migration to another store. The directory is locked as by a
//! server, so no server can change it meanwhile. Only the layout of an older version's database is changed.

use std::ops::Range;
use std::path::Path;

use rusqlite::{Connection, params};

use crate::domain::event::Event;
use crate::domain::message::Message;
use crate::domain::position::Seq;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{SealedToken, TokenHash};
use crate::domain::user::{DisplayName, User, UserId};
use crate::store::embedded::clock::Clock;
use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::history;
use crate::store::embedded::open::OpenError;
use crate::store::embedded::rooms::{self, Listing, RoomRow};
use crate::store::{PresentedToken, RoomState, StoreError, UserRecord};

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

    /// Reads users of a room. Fails with [`StoreError::NotFound`] if the room has expired.
    pub fn room_users(&self, room: RoomId, range: Range<u64>) -> Result<Vec<User>, StoreError> {
        self.read_room(room, |room| history::users(&self.connection, room, range))
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
