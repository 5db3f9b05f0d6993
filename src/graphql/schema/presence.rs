//! The types of presence: who is in a room, and who is typing.

use std::sync::Arc;

use async_graphql::{Object, SimpleObject, Union};

use crate::domain::presence::{self, PresenceChange, PresenceUpdate, PresenceUpdateKind, PresentUser};
use crate::domain::user::User;
use crate::graphql::schema::types::{Chatter, ChatterRole};

/// Who is here now, and how that changes. The first is a PresenceSnapshot. Another one follows whenever a change may have been
/// missed; it replaces everything before.
#[derive(Union)]
pub(in crate::graphql) enum PresenceEvent {
    Snapshot(PresenceSnapshot),
    Changed(PresenceChanged),
    Typing(TypingChanged),
}

impl From<Arc<PresenceUpdate>> for PresenceEvent {
    fn from(update: Arc<PresenceUpdate>) -> Self {
        match &update.kind {
            PresenceUpdateKind::Snapshot(snapshot) => Self::Snapshot(PresenceSnapshot(snapshot.clone())),
            PresenceUpdateKind::Changed(change) => Self::Changed(PresenceChanged(change.clone())),
            PresenceUpdateKind::Typing(users) => Self::Typing(TypingChanged { typing: chatters(users) }),
        }
    }
}

/// A user who is in the room now.
#[derive(SimpleObject)]
pub(in crate::graphql) struct PresenceUser {
    /// The user.
    user: Chatter,
    /// The user's role in this room.
    role: ChatterRole,
}

impl From<&PresentUser> for PresenceUser {
    fn from(present: &PresentUser) -> Self {
        Self { user: present.user.clone().into(), role: present.role.into() }
    }
}

pub(in crate::graphql) struct PresenceSnapshot(presence::PresenceSnapshot);

/// Who is here now. Replaces everything that the subscription delivered before.
#[Object]
impl PresenceSnapshot {
    /// Number of open subscriptions of the room's events, on all servers. The same as Room.viewerCount.
    async fn viewer_count(&self) -> u32 {
        self.0.viewer_count
    }

    /// Number of all users who are here, on all servers, also of those who are not listed.
    async fn user_count(&self) -> u64 {
        self.0.user_count
    }

    /// The users who are here, at most 1,000 of them.
    async fn users(&self) -> Vec<PresenceUser> {
        present(&self.0.users)
    }

    /// The users who are typing, at most 100, in the order in which they began.
    async fn typing(&self) -> Vec<Chatter> {
        chatters(&self.0.typing)
    }
}

pub(in crate::graphql) struct PresenceChanged(PresenceChange);

/// The list of users or a count has changed. Changes are gathered: there is at most one a second.
#[Object]
impl PresenceChanged {
    /// Number of open subscriptions of the room's events, on all servers. The same as Room.viewerCount.
    async fn viewer_count(&self) -> u32 {
        self.0.viewer_count
    }

    /// Number of all users who are here, on all servers, also of those who are not listed.
    async fn user_count(&self) -> u64 {
        self.0.user_count
    }

    /// Users to add to the list, or to replace in it: a user who is listed already has got another role or name.
    async fn joined(&self) -> Vec<PresenceUser> {
        present(&self.0.joined)
    }

    /// Users to remove from the list.
    async fn left(&self) -> Vec<Chatter> {
        chatters(&self.0.left)
    }
}

/// Other users than before are typing.
#[derive(SimpleObject)]
pub(in crate::graphql) struct TypingChanged {
    /// All users who are typing now, at most 100, in the order in which they began.
    typing: Vec<Chatter>,
}

fn present(users: &[PresentUser]) -> Vec<PresenceUser> {
    users.iter().map(PresenceUser::from).collect()
}

fn chatters(users: &[User]) -> Vec<Chatter> {
    users.iter().cloned().map(Chatter::from).collect()
}
