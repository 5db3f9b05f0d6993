//! Reading everything that lives out of the data directory, for another store. The directory is taken as a server takes it,
//! so no server can change it meanwhile; nothing in it is changed but the layout of an older version's database.

use std::ops::Range;
use std::path::Path;

use rusqlite::{Connection, params};

use crate::domain::event::{Event, Seq};
use crate::domain::message::Message;
use crate::domain::room::RoomId;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{DisplayName, SealedToken, TokenHash, User, UserId};
use crate::store::embedded::clock::Clock;
use crate::store::embedded::error;
use crate::store::embedded::file::DatabaseFile;
use crate::store::embedded::open::OpenError;
use crate::store::embedded::rows::{self, RoomRow};
use crate::store::migration::UserRecord;
use crate::store::{PresentedToken, RoomState, StoreError};

/// A data directory that is read from.
#[derive(Debug)]
pub struct Export {
    connection: Connection,
    clock: Clock,
    /// Holds the lock.
    _file: DatabaseFile,
}

impl Export {
    /// Opens the store in `directory`, where there must be one.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let (file, connection) = DatabaseFile::take_existing(directory)?;
        Ok(Self { connection, clock: Clock::set_now(), _file: file })
    }

    /// How much there is: users, and log entries of all rooms.
    pub fn size(&self) -> Result<u64, StoreError> {
        let count = |statement: &str| -> rusqlite::Result<u64> {
            self.connection.query_row(statement, params![self.clock.now().as_millis()], |row| row.get(0))
        };
        let users = count("SELECT count(*) FROM user WHERE expires_at > ?1");
        let entries = count("SELECT coalesce(sum(seq), 0) FROM room WHERE expires_at > ?1");
        Ok(users.map_err(error::from_sqlite)? + entries.map_err(error::from_sqlite)?)
    }

    /// The users that are known, from behind `after` on, at most `limit`.
    pub fn users(&self, after: Option<&UserId>, limit: u32) -> Result<Vec<UserRecord>, StoreError> {
        self.read_users(after, limit).map_err(error::from_sqlite)
    }

    fn read_users(&self, after: Option<&UserId>, limit: u32) -> rusqlite::Result<Vec<UserRecord>> {
        self.connection
            .prepare_cached(
                "SELECT id, display_name, current, previous, sealed, expires_at FROM user
                 WHERE id > ?1 AND expires_at > ?2 ORDER BY id LIMIT ?3",
            )?
            .query_map(params![after.map_or("", UserId::as_str), self.clock.now().as_millis(), limit], |row| {
                let (previous, sealed): (Option<[u8; 32]>, Option<[u8; 16]>) = (row.get(3)?, row.get(4)?);
                Ok(UserRecord {
                    user: User {
                        id: UserId::from_stored(row.get(0)?),
                        display_name: DisplayName::from_stored(row.get(1)?),
                    },
                    current: TokenHash(row.get(2)?),
                    previous: previous.zip(sealed).map(|(hash, sealed)| PresentedToken {
                        hash: TokenHash(hash),
                        sealed_next_token: SealedToken(sealed),
                    }),
                    expires_at: Timestamp::from_millis(row.get(5)?),
                })
            })?
            .collect()
    }

    /// The rooms that live, newest first, from just behind the place `after` on, at most `limit`.
    pub fn rooms(&self, after: Option<(Timestamp, RoomId)>, limit: u32) -> Result<Vec<RoomState>, StoreError> {
        rows::rooms(&self.connection, after, limit, self.clock.now()).map_err(error::from_sqlite)
    }

    /// Messages of a room. [`StoreError::NotFound`] when it has ended.
    pub fn messages(&self, room: RoomId, range: Range<u64>) -> Result<Vec<Message>, StoreError> {
        self.of_room(room, |room| rows::messages(&self.connection, room, range))
    }

    /// Chatters of a room. [`StoreError::NotFound`] when it has ended.
    pub fn room_users(&self, room: RoomId, range: Range<u64>) -> Result<Vec<User>, StoreError> {
        self.of_room(room, |room| rows::chatters(&self.connection, room, range))
    }

    /// Entries of a room's log, from number `from` on, at most `limit`. [`StoreError::NotFound`] when it has ended.
    pub fn log(&self, room: RoomId, from: Seq, limit: u32) -> Result<Vec<Event>, StoreError> {
        self.of_room(room, |room| rows::events(&self.connection, room, from, limit))
    }

    fn of_room<T>(&self, id: RoomId, read: impl FnOnce(&RoomRow) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let room = rows::room(&self.connection, id, self.clock.now()).map_err(error::from_sqlite)?;
        read(&room.ok_or(StoreError::NotFound)?).map_err(error::from_sqlite)
    }
}
