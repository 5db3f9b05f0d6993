//! Who is in a room and who is typing, from the events of its presence.

use serde::Deserialize;

use crate::{Chatter, Person};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Presence {
    pub(crate) viewer_count: u64,
    pub(crate) user_count: u64,
    pub(crate) users: Vec<Person>,
    pub(crate) typing: Vec<Chatter>,
}

#[derive(Deserialize)]
pub(crate) struct PresenceData {
    pub(crate) presence: PresenceEvent,
}

#[derive(Deserialize)]
#[serde(tag = "__typename")]
pub(crate) enum PresenceEvent {
    PresenceSnapshot(Presence),
    #[serde(rename_all = "camelCase")]
    PresenceChanged {
        viewer_count: u64,
        user_count: u64,
        joined: Vec<Person>,
        left: Vec<UserId>,
    },
    TypingChanged {
        typing: Vec<Chatter>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
pub(crate) struct UserId {
    id: String,
}

/// Applies an event. There is no presence before the first snapshot.
pub(crate) fn apply(presence: &mut Option<Presence>, event: PresenceEvent) {
    match (event, presence) {
        (PresenceEvent::PresenceSnapshot(snapshot), presence) => *presence = Some(snapshot),
        (PresenceEvent::TypingChanged { typing }, Some(presence)) => presence.typing = typing,
        (PresenceEvent::PresenceChanged { viewer_count, user_count, joined, left }, Some(presence)) => {
            presence.viewer_count = viewer_count;
            presence.user_count = user_count;
            presence.users.retain(|person| {
                let id = &person.user.id;
                !left.iter().any(|user| user.id == *id) && !joined.iter().any(|other| other.user.id == *id)
            });
            presence.users.extend(joined);
        }
        _ => {}
    }
}
