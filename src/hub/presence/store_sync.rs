//! Keeps a room's presence on this node and in the store the same: reports this node's users, and reads those of the others.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::domain::presence::PresentUser;
use crate::domain::user::UserId;
use crate::hub::presence::local_users::HANDOVER;
use crate::hub::presence::room::RoomPresence;
use crate::hub::presence::state::Pending;
use crate::store::{PRESENCE_REPORT_TTL, PresenceReport, Store, StoreError};

/// The least time between two reports, and between two reads.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

const _: () =
    assert!(MIN_INTERVAL.as_millis() * 2 < HANDOVER.as_millis(), "a user must not leave before it is known elsewhere");

/// How often the report is repeated and the other nodes are read, even if nothing is known to have changed. So the users of a node
/// that was killed are gone this long after its report has expired.
const MAX_INTERVAL: Duration = Duration::from_millis(2_500);
const _: () = assert!(MAX_INTERVAL.as_millis() * 3 < PRESENCE_REPORT_TTL.as_millis(), "lost reports must not matter");

/// Number of users whose bans are read at once.
const CONCURRENT_READS: usize = 8;

/// The room does not exist any more.
struct RoomGone;

/// Runs until nobody reads and nobody is present, or the room is gone.
pub(super) async fn run(room: &RoomPresence, store: &dyn Store) {
    let mut reported = Reported::default();
    loop {
        let started = Instant::now();
        if let Err(RoomGone) = sync(room, store, &mut reported).await {
            return room.close();
        }
        // The users who have left are withdrawn by now, or their report expires.
        if room.is_idle() {
            return;
        }
        tokio::time::sleep_until(started + MIN_INTERVAL).await;
        let changed = wait_for_change(room, &reported);
        let _ = tokio::time::timeout_at(started + MAX_INTERVAL, changed).await;
    }
}

/// Waits until there is something to report or to read.
async fn wait_for_change(room: &RoomPresence, reported: &Reported) {
    loop {
        {
            let state = room.lock();
            if state.pending != Pending::default() || state.local.version() != reported.version || state.is_idle() {
                return;
            }
        }
        room.sync_requested().await;
    }
}

async fn sync(room: &RoomPresence, store: &dyn Store, reported: &mut Reported) -> Result<(), RoomGone> {
    let Pending { elsewhere: _, bans, resync } = std::mem::take(&mut room.lock().pending);
    // The owner may have ended the room, or banned somebody, without this node's notice.
    if resync && let Err(StoreError::NotFound) = store.snapshot(room.room, None).await {
        return Err(RoomGone);
    }
    if bans || resync {
        read_bans(room, store).await?;
    }
    reported.send(room, store).await?;
    read_elsewhere(room, store, resync).await
}

/// Reads the users and viewers of the other nodes.
async fn read_elsewhere(room: &RoomPresence, store: &dyn Store, resync: bool) -> Result<(), RoomGone> {
    let rooms = [room.room];
    match tokio::try_join!(store.present_elsewhere(room.room), store.viewers_elsewhere(&rooms)) {
        Ok((users, viewers)) => {
            room.change(|state| {
                state.record_elsewhere(users, viewers.iter().sum());
                if resync {
                    state.require_snapshot();
                }
                // The first snapshot shows them.
                state.advance(Instant::now());
            });
            room.complete();
            Ok(())
        }
        Err(StoreError::NotFound) => Err(RoomGone),
        Err(error) => {
            tracing::debug!(error = &error as &dyn std::error::Error, "the present users of other nodes are unknown");
            let mut state = room.lock();
            state.pending.elsewhere = true;
            state.pending.resync |= resync;
            Ok(())
        }
    }
}

/// Reads for each user of this node whether it is banned.
async fn read_bans(room: &RoomPresence, store: &dyn Store) -> Result<(), RoomGone> {
    let users = room.lock().local.addresses();
    for users in users.chunks(CONCURRENT_READS) {
        let mut reads = FuturesUnordered::new();
        for (id, address) in users {
            reads.push(store.member(room.room, id, *address));
        }
        while let Some(member) = reads.next().await {
            match member {
                Ok(Some(member)) => room.record_member(&member),
                // A failover has lost it. Its next subscription is refused.
                Ok(None) => {}
                Err(StoreError::NotFound) => return Err(RoomGone),
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "the bans of present users are unknown");
                    room.lock().pending.bans = true;
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// What the store has of this node, as far as known.
#[derive(Default)]
struct Reported {
    users: BTreeMap<UserId, PresentUser>,
    /// Whether the store has nothing else.
    is_known: bool,
    /// The version of the users of this node.
    version: u64,
}

impl Reported {
    /// Reports what has changed, or that nothing has.
    async fn send(&mut self, room: &RoomPresence, store: &dyn Store) -> Result<(), RoomGone> {
        // A second report follows if the store has lost the earlier ones.
        for _ in 0..2 {
            let (changed_users, version) = {
                let state = room.lock();
                let version = state.local.version();
                let shown = state.local.shown().map(|user| (user.user.id.clone(), user.clone()));
                ((version != self.version).then(|| shown.collect::<BTreeMap<_, _>>()), version)
            };
            let users = changed_users.as_ref().unwrap_or(&self.users);
            if users.is_empty() && self.users.is_empty() {
                self.version = version;
                return Ok(());
            }
            let report = self.report_of(users);
            let is_complete = report.is_complete;
            match store.report_presence(room.room, report).await {
                Ok(had_earlier) => {
                    self.users = changed_users.unwrap_or_else(|| std::mem::take(&mut self.users));
                    self.version = version;
                    self.is_known = is_complete || had_earlier;
                    if self.is_known {
                        return Ok(());
                    }
                }
                Err(StoreError::NotFound) => return Err(RoomGone),
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "present users could not be reported");
                    self.is_known = false;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn report_of(&self, users: &BTreeMap<UserId, PresentUser>) -> PresenceReport {
        if !self.is_known {
            let changed = users.values().cloned().collect();
            return PresenceReport { changed, left: Vec::new(), is_complete: true };
        }
        let changed = users.iter().filter(|(id, user)| self.users.get(*id) != Some(*user));
        let left = self.users.keys().filter(|id| !users.contains_key(*id));
        PresenceReport {
            changed: changed.map(|(_, user)| user.clone()).collect(),
            left: left.cloned().collect(),
            is_complete: false,
        }
    }
}
