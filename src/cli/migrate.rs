//! `livechat migrate`: copies everything that is alive in the embedded store to Redis.
//!
//! This module decides the order, shows progress and prints the report. The two stores ensure that a migration can be
//! interrupted and repeated, and that it never replaces anything.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::Config;
use crate::domain::position::Seq;
use crate::store::embedded::export::Export;
use crate::store::redis::import::{Import, ImportOutcome};
use crate::store::{RoomState, StoreError};

/// Rooms or users per read.
const PAGE_SIZE: u32 = 500;
/// Messages, users or log entries per call to Redis. With messages of 64 KiB, a call takes well under a second.
const CALL_SIZE: u32 = 100;
/// Concurrent calls for users or rooms.
const CONCURRENCY: usize = 64;

/// Copies, verifies and prints a report. The exit code is a failure if the target does not have everything.
#[tokio::main]
pub async fn run() -> Result<ExitCode, Box<dyn Error>> {
    let (directory, redis) = Config::for_migration()?;
    let source = Export::open(&directory)?;
    let address = redis.address();
    let target = Import::connect(redis).await?;
    println!("From {} to the Redis at {address}.", directory.display());
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} users and log entries, {eta} left")?;
    let bar = ProgressBar::new(source.size()?).with_style(style);
    let migration = Migration { source, target, bar };
    // Users go first, so that every token is valid in a room once the room exists.
    let users = migration.copy_users().await?;
    let rooms = migration.copy_rooms().await?;
    migration.bar.finish_and_clear();
    println!("Users: {users}");
    println!("Rooms: {rooms}");
    let missing = migration.count_missing().await?;
    println!("Verified: {missing} of the rooms alive are missing or differ.");
    if users.differ + rooms.differ + missing == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("livechat: the target has different rooms or users under the same ids; they were left unchanged");
    Ok(ExitCode::FAILURE)
}

struct Migration {
    source: Export,
    target: Import,
    bar: ProgressBar,
}

/// Counts the outcomes.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    copied: u64,
    already_there: u64,
    differ: u64,
    expired: u64,
}

impl Tally {
    fn count(&mut self, outcome: ImportOutcome) {
        match outcome {
            ImportOutcome::Copied => self.copied += 1,
            ImportOutcome::AlreadyThere => self.already_there += 1,
            ImportOutcome::Differs => self.differ += 1,
            ImportOutcome::Expired => self.expired += 1,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { copied, already_there, differ, expired } = self;
        write!(f, "{copied} copied, {already_there} were already there, {differ} differ, {expired} expired meanwhile.")
    }
}

impl Migration {
    async fn copy_users(&self) -> Result<Tally, StoreError> {
        let (mut tally, mut last) = (Tally::default(), None);
        loop {
            let users = self.source.users(last.as_ref(), PAGE_SIZE)?;
            let outcomes = stream::iter(&users).map(|user| self.target.import_user(user)).buffer_unordered(CONCURRENCY);
            for outcome in outcomes.try_collect::<Vec<_>>().await? {
                tally.count(outcome);
            }
            self.bar.inc(users.len() as u64);
            match users.last() {
                Some(user) => last = Some(user.user.id.clone()),
                None => return Ok(tally),
            }
        }
    }

    async fn copy_rooms(&self) -> Result<Tally, StoreError> {
        let (mut tally, mut last) = (Tally::default(), None);
        loop {
            let rooms = self.source.rooms(last, PAGE_SIZE)?;
            for state in &rooms {
                let before = self.bar.position();
                tally.count(self.copy_room(state).await?);
                self.bar.set_position(before + state.head.seq.0);
            }
            match rooms.last() {
                Some(state) => last = Some((state.room.created_at, state.room.id)),
                None => return Ok(tally),
            }
        }
    }

    async fn copy_room(&self, state: &RoomState) -> Result<ImportOutcome, StoreError> {
        let outcome = match self.target.compare(state).await? {
            Some(found) => found,
            None => match self.copy_content(state).await {
                Err(StoreError::NotFound) => ImportOutcome::Expired,
                copied => copied?,
            },
        };
        // Even if the room is already there: an earlier run may have been interrupted just before this.
        if matches!(outcome, ImportOutcome::Copied | ImportOutcome::AlreadyThere) {
            self.target.list_room(state).await?;
        }
        Ok(outcome)
    }

    async fn copy_content(&self, state: &RoomState) -> Result<ImportOutcome, StoreError> {
        let (id, size) = (state.room.id, u64::from(CALL_SIZE));
        let mut staging = self.target.stage(state).await?;
        for first in (0..state.message_count).step_by(CALL_SIZE as usize) {
            let range = first..first + size;
            let edits = self.source.edits(id, range.clone())?;
            let messages: Vec<_> = self.source.messages(id, range.clone())?.into_iter().zip(edits).collect();
            staging.messages(&messages, &self.source.reaction_entries(id, range.clone())?).await?;
            staging.reactions(&self.source.reactions(id, range)?).await?;
        }
        let mut last = None;
        loop {
            let members = self.source.members(id, last.as_ref(), CALL_SIZE)?;
            staging.members(&members).await?;
            let Some(member) = members.last() else { break };
            last = Some(member.user.id.clone());
        }
        let mut last = None;
        loop {
            let bans = self.source.bans(id, last, CALL_SIZE)?;
            staging.bans(&bans).await?;
            let Some(ban) = bans.last() else { break };
            last = Some(ban.index);
        }
        for skip in (0..).step_by(CALL_SIZE as usize) {
            let times = self.source.last_sent(id, skip, CALL_SIZE)?;
            staging.last_sent(&times).await?;
            if times.is_empty() {
                break;
            }
        }
        for first in (1..=state.head.seq.0).step_by(CALL_SIZE as usize) {
            let entries = self.source.log(id, Seq(first), CALL_SIZE)?;
            staging.log(&entries).await?;
            self.bar.inc(entries.len() as u64);
        }
        self.target.reveal(staging).await
    }

    /// Counts the live rooms that are missing at the target or differ there.
    async fn count_missing(&self) -> Result<u64, StoreError> {
        let (mut missing, mut last) = (0, None);
        loop {
            let rooms = self.source.rooms(last, PAGE_SIZE)?;
            let finding = stream::iter(&rooms).map(|state| self.target.compare(state)).buffer_unordered(CONCURRENCY);
            for found in finding.try_collect::<Vec<_>>().await? {
                missing += u64::from(matches!(found, None | Some(ImportOutcome::Differs)));
            }
            match rooms.last() {
                Some(state) => last = Some((state.room.created_at, state.room.id)),
                None => return Ok(missing),
            }
        }
    }
}
