//! `livechat migrate`: copies all that lives in the embedded store to Redis. What can be interrupted and repeated at will, and
//! never replaces anything, is the work of the two stores; here is the order, the bar and the report.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Config;
use crate::domain::event::Seq;
use crate::store::embedded::export::Export;
use crate::store::migration::MoveOutcome;
use crate::store::redis::import::Import;
use crate::store::{RoomState, StoreError};

/// Rooms or users read at a time.
const PAGE: u32 = 500;
/// Messages, chatters or log entries in one call of Redis: at 64 KiB a message it takes well under a second.
const IN_A_CALL: u32 = 100;
/// Users under way at a time.
const AT_A_TIME: usize = 64;

/// Copies, verifies, and says what came of it. Fails when something is not at the target.
#[tokio::main]
pub async fn run() -> Result<ExitCode, Box<dyn Error>> {
    let (directory, redis) = Config::of_migration()?;
    let source = Export::open(&directory)?;
    let target = Import::connect(&redis).await?;
    println!("From {} to the Redis at {}.", directory.display(), redis.address());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} users and log entries, {eta} left")?;
    let bar = ProgressBar::new(source.size()?).with_style(style);
    let migration = Migration { source, target, bar };
    // Users go first: in a room that is there, every token has to be known.
    let users = migration.users().await?;
    let rooms = migration.rooms().await?;
    migration.bar.finish_and_clear();
    println!("Users: {users}");
    println!("Rooms: {rooms}");
    let missing = migration.missing().await?;
    println!("Verified: {missing} of the rooms that live are not there as they were.");
    if users.differ + rooms.differ + missing == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("livechat: at the target are other rooms or users under the same ids; they were left as they are");
    Ok(ExitCode::FAILURE)
}

struct Migration {
    source: Export,
    target: Import,
    bar: ProgressBar,
}

/// How many of them came to what.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    moved: u64,
    there: u64,
    differ: u64,
    ended: u64,
}

impl Tally {
    fn count(&mut self, moved: MoveOutcome) {
        match moved {
            MoveOutcome::Copied => self.moved += 1,
            MoveOutcome::AlreadyThere => self.there += 1,
            MoveOutcome::Differs => self.differ += 1,
            MoveOutcome::Expired => self.ended += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { moved, there, differ, ended } = self;
        write!(f, "{moved} moved, {there} were there already, {differ} differ, {ended} ended meanwhile.")
    }
}

impl Migration {
    async fn users(&self) -> Result<Tally, StoreError> {
        let (mut tally, mut last) = (Tally::default(), None);
        loop {
            let users = self.source.users(last.as_ref(), PAGE)?;
            let moving = stream::iter(&users).map(|user| self.target.user(user)).buffer_unordered(AT_A_TIME);
            for moved in moving.try_collect::<Vec<_>>().await? {
                tally.count(moved);
            }
            self.bar.inc(users.len() as u64);
            match users.last() {
                Some(user) => last = Some(user.user.id.clone()),
                None => return Ok(tally),
            }
        }
    }

    async fn rooms(&self) -> Result<Tally, StoreError> {
        let (mut tally, mut last) = (Tally::default(), None);
        loop {
            let rooms = self.source.rooms(last, PAGE)?;
            for state in &rooms {
                let before = self.bar.position();
                tally.count(self.room(state).await?);
                self.bar.set_position(before + state.head.seq.0);
            }
            match rooms.last() {
                Some(state) => last = Some((state.room.created_at, state.room.id)),
                None => return Ok(tally),
            }
        }
    }

    async fn room(&self, state: &RoomState) -> Result<MoveOutcome, StoreError> {
        let moved = match self.target.find(state).await? {
            Some(found) => found,
            None => match self.copy(state).await {
                Err(StoreError::NotFound) => MoveOutcome::Expired,
                copied => copied?,
            },
        };
        // Again for a room that is there: an earlier run may have ended just before.
        if matches!(moved, MoveOutcome::Copied | MoveOutcome::AlreadyThere) {
            self.target.list(state).await?;
        }
        Ok(moved)
    }

    async fn copy(&self, state: &RoomState) -> Result<MoveOutcome, StoreError> {
        let (id, step) = (state.room.id, u64::from(IN_A_CALL));
        self.target.begin(id).await?;
        for first in (0..state.message_count).step_by(IN_A_CALL as usize) {
            self.target.messages(state, &self.source.messages(id, first..first + step)?).await?;
        }
        for first in (0..state.user_count).step_by(IN_A_CALL as usize) {
            self.target.room_users(state, &self.source.room_users(id, first..first + step)?).await?;
        }
        for first in (1..=state.head.seq.0).step_by(IN_A_CALL as usize) {
            let entries = self.source.log(id, Seq(first), IN_A_CALL)?;
            self.target.log(state, &entries).await?;
            self.bar.inc(entries.len() as u64);
        }
        self.target.reveal(state).await
    }

    /// How many rooms that live are not at the target, whole and as they were.
    async fn missing(&self) -> Result<u64, StoreError> {
        let (mut missing, mut last) = (0, None);
        loop {
            let rooms = self.source.rooms(last, PAGE)?;
            let finding = stream::iter(&rooms).map(|state| self.target.find(state)).buffer_unordered(AT_A_TIME);
            for found in finding.try_collect::<Vec<_>>().await? {
                missing += u64::from(matches!(found, None | Some(MoveOutcome::Differs)));
            }
            match rooms.last() {
                Some(state) => last = Some((state.room.created_at, state.room.id)),
                None => return Ok(missing),
            }
        }
    }
}
