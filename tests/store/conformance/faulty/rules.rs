//! Faults of rules and reactions.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use livechat::domain::room::RoomId;
use livechat::domain::user::UserId;
use livechat::store::{Actor, Change, Commit, Denial, NewRoom, Reaction, Store, StoreError};

use super::fault::Fault;

/// The pause between a check and the commit. Gives concurrent changes time to do the same.
const PAUSE: Duration = Duration::from_millis(10);

/// What the faults remember beside the inner store.
#[derive(Default)]
pub struct RuleFaults {
    bans: Mutex<HashSet<(RoomId, UserId)>>,
    pauses: Mutex<HashMap<RoomId, Duration>>,
    last_sends: Mutex<HashMap<(RoomId, UserId), Instant>>,
    reactions: AtomicUsize,
}

impl RuleFaults {
    /// The room as the inner store creates it.
    pub fn change_room(&self, fault: Fault, room: &mut NewRoom) {
        if fault == Fault::SlowModeNotAtomic {
            let seconds = std::mem::take(&mut room.settings.slow_mode_seconds);
            self.pauses.lock().expect("no panic").insert(room.id, Duration::from_secs(seconds.into()));
        }
        room.settings.listed |= fault == Fault::UnlistedRoomsListed;
    }

    /// The actor as the inner store sees it.
    pub fn change_actor(&self, fault: Fault, actor: &mut Actor) {
        if fault == Fault::AddressesNotBanned {
            actor.address = None;
        }
    }

    /// The reaction as the inner store sees it.
    pub fn change_reaction(&self, fault: Fault, reaction: &mut Reaction) {
        self.change_actor(fault, &mut reaction.actor);
        keep_address(fault, &mut reaction.actor);
        if fault == Fault::ReactionsCountedTwice && reaction.add {
            let number = self.reactions.fetch_add(1, Ordering::Relaxed);
            let user = &mut reaction.actor.user.id;
            *user = UserId::from_stored(format!("{} for the {number}th time", user.as_str()));
        }
    }

    /// Checks rules that the inner store is kept from checking, and changes the commit to what the inner store sees.
    pub async fn change_commit(&self, fault: Fault, inner: &dyn Store, commit: &mut Commit) -> Result<(), StoreError> {
        let room = commit.room;
        match &mut commit.change {
            Change::Send { author, client_message_id, .. } => {
                self.change_actor(fault, author);
                let user = author.user.id.clone();
                if fault == Fault::RepeatsObeyBans && client_message_id.is_some() {
                    let member = inner.member(room, &user, author.address).await?;
                    let banned_until = member.and_then(|member| member.banned_until);
                    banned_until.map_or(Ok(()), |until| Err(StoreError::Denied(Denial::Banned { until })))?;
                }
                self.check_bans(fault, (room, user.clone())).await?;
                self.check_pause(fault, (room, user)).await
            }
            Change::Edit { editor, .. } => {
                self.change_actor(fault, editor);
                keep_address(fault, editor);
                self.check_bans(fault, (room, editor.user.id.clone())).await
            }
            Change::Ban { user, duration, .. } if fault == Fault::BansNotAtomic => {
                *duration = Some(Duration::ZERO);
                self.bans.lock().expect("no panic").insert((room, user.clone()));
                Ok(())
            }
            Change::Update { settings, .. } if fault == Fault::EarlierMessagesIgnored => {
                if let Some(seconds) = settings.slow_mode_seconds.take() {
                    self.pauses.lock().expect("no panic").insert(room, Duration::from_secs(seconds.into()));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn check_bans(&self, fault: Fault, user: (RoomId, UserId)) -> Result<(), StoreError> {
        if fault != Fault::BansNotAtomic {
            return Ok(());
        }
        if self.bans.lock().expect("no panic").contains(&user) {
            return Err(StoreError::Denied(Denial::Banned { until: None }));
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    async fn check_pause(&self, fault: Fault, user: (RoomId, UserId)) -> Result<(), StoreError> {
        let pause = self.pauses.lock().expect("no panic").get(&user.0).copied();
        let is_checked_here = matches!(fault, Fault::SlowModeNotAtomic | Fault::EarlierMessagesIgnored);
        let Some(pause) = pause.filter(|_| is_checked_here) else { return Ok(()) };
        let last = self.last_sends.lock().expect("no panic").get(&user).copied();
        if let Some(retry_after) = last.and_then(|last| pause.checked_sub(last.elapsed())) {
            return Err(StoreError::Denied(Denial::SlowMode { retry_after }));
        }
        tokio::time::sleep(PAUSE).await;
        self.last_sends.lock().expect("no panic").insert(user, Instant::now());
        Ok(())
    }
}

/// Hides the address of a user who edits or reacts.
fn keep_address(fault: Fault, actor: &mut Actor) {
    if fault == Fault::AddressesNotRenewed {
        actor.address = None;
    }
}
