//! What readers of presence are told, by one node.

mod two_nodes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::domain::presence::{
    PRESENCE_LINGER, PRESENT_USERS_MAX, PresenceUpdate, PresenceUpdateKind, PresentUser, TYPING_DURATION,
    TYPING_USERS_MAX, Typing,
};
use crate::domain::user::{DisplayName, Role, User, UserId};
use crate::hub::presence::local_users::HANDOVER;
use crate::hub::presence::state::{CAPACITY, CHANGES_INTERVAL, State, TYPING_INTERVAL};
use crate::store::PresentUsers;

/// How long a user is shown after its last subscription.
const LINGER: Duration = PRESENCE_LINGER.saturating_add(HANDOVER);

fn user(name: &str) -> PresentUser {
    let (id, display_name) = (UserId::from_stored(name.to_owned()), DisplayName::from_stored(name.to_owned()));
    PresentUser { user: User { id, display_name, avatar_url: None }, role: Role::Member }
}

fn id(name: &str) -> UserId {
    user(name).user.id
}

/// A reader that applies each update to its list, and refuses those that do not fit.
struct Reader {
    updates: broadcast::Receiver<Arc<PresenceUpdate>>,
    users: BTreeMap<UserId, PresentUser>,
    user_count: u64,
    viewer_count: u32,
    typing: Vec<User>,
    joined: Vec<UserId>,
    left: Vec<UserId>,
}

impl Reader {
    fn open(state: &mut State) -> Self {
        let (snapshot, updates) = state.subscribe().expect("an open room");
        let (users, joined, left, typing) = Default::default();
        let mut reader = Self { updates, users, user_count: 0, viewer_count: 0, typing, joined, left };
        reader.apply(&snapshot);
        reader
    }

    /// Reads what was sent since the last call. Returns the number of changes of the list.
    fn read(&mut self, state: &mut State) -> usize {
        let mut changes = 0;
        (self.joined, self.left) = Default::default();
        loop {
            match self.updates.try_recv() {
                Ok(update) => {
                    changes += usize::from(!matches!(update.kind, PresenceUpdateKind::Typing(_)));
                    self.apply(&update);
                }
                Err(broadcast::error::TryRecvError::Lagged(_)) => *self = Self::open(state),
                Err(_) => return changes,
            }
        }
    }

    fn apply(&mut self, update: &PresenceUpdate) {
        match &update.kind {
            PresenceUpdateKind::Snapshot(snapshot) => {
                self.users = snapshot.users.iter().map(|user| (user.user.id.clone(), user.clone())).collect();
                (self.user_count, self.viewer_count) = (snapshot.user_count, snapshot.viewer_count);
                self.typing.clone_from(&snapshot.typing);
            }
            PresenceUpdateKind::Changed(change) => {
                (self.user_count, self.viewer_count) = (change.user_count, change.viewer_count);
                for user in &change.left {
                    assert!(self.users.remove(&user.id).is_some(), "a user who left was in the list");
                    self.left.push(user.id.clone());
                }
                for user in &change.joined {
                    let known = self.users.insert(user.user.id.clone(), user.clone());
                    assert_ne!(known.as_ref(), Some(user), "a user who joined is new or has changed");
                    if known.is_none() {
                        self.joined.push(user.user.id.clone());
                    }
                }
            }
            PresenceUpdateKind::Typing(users) => self.typing.clone_from(users),
        }
    }

    fn names(&self) -> Vec<&str> {
        self.users.keys().map(UserId::as_str).collect()
    }

    fn typing(&self) -> Vec<&str> {
        self.typing.iter().map(|user| user.id.as_str()).collect()
    }
}

#[test]
fn a_user_is_shown_until_it_has_lingered_after_its_last_subscription() {
    let (mut state, start) = (State::new(0, false), Instant::now());
    state.join(user("ada"), None);
    state.join(user("ada"), None);
    state.advance(start);
    let mut reader = Reader::open(&mut state);
    assert_eq!((reader.names(), reader.user_count), (vec!["ada"], 1), "several subscriptions count once");
    state.local.leave(&id("ada"), start);
    assert_eq!(state.advance(start + 100 * LINGER), None, "another subscription is left");
    let left_at = start + 100 * LINGER;
    state.local.leave(&id("ada"), left_at);
    assert_eq!(state.advance(left_at), Some(left_at + LINGER));
    state.join(user("ada"), None);
    assert_eq!(state.advance(left_at + LINGER * 2), None, "it came back in time");
    let left_at = left_at + LINGER * 2;
    state.local.leave(&id("ada"), left_at);
    state.advance(left_at + LINGER - Duration::from_millis(1));
    assert_eq!(reader.read(&mut state), 0, "nothing has flickered");
    state.advance(left_at + LINGER);
    assert_eq!(reader.read(&mut state), 1);
    assert_eq!((reader.names(), reader.user_count), (vec![], 0));
    state.readers = 0;
    assert!(state.is_idle());
}

#[test]
fn a_user_who_returns_on_another_node_within_ten_seconds_does_not_flicker() {
    let (mut state, start) = (State::new(0, false), Instant::now());
    state.join(user("ada"), None);
    state.advance(start);
    let mut reader = Reader::open(&mut state);
    state.local.leave(&id("ada"), start);
    // The other node reports the return a second later, and this one reads the report a second after that.
    let is_read_after = PRESENCE_LINGER + 2 * CHANGES_INTERVAL;
    for millis in (0..is_read_after.as_millis() as u64).step_by(100) {
        state.advance(start + Duration::from_millis(millis));
    }
    state.advance(start + is_read_after);
    state.record_elsewhere(PresentUsers { users: vec![user("ada")], total: 1 }, 0);
    state.advance(start + 3 * PRESENCE_LINGER);
    assert_eq!(reader.read(&mut state), 0);
    assert_eq!((reader.names(), reader.user_count), (vec!["ada"], 1));
}

#[test]
fn changes_are_gathered_for_a_second() {
    let (mut state, start) = (State::new(0, false), Instant::now());
    state.advance(start);
    let mut reader = Reader::open(&mut state);
    state.join(user("ada"), None);
    state.advance(start);
    assert_eq!(reader.read(&mut state), 1, "the first change is sent at once");
    for name in ["bob", "cyd", "dan"] {
        state.join(user(name), None);
        assert_eq!(state.advance(start + CHANGES_INTERVAL / 2), Some(start + CHANGES_INTERVAL));
    }
    state.record_viewers_here(7);
    assert_eq!(reader.read(&mut state), 0);
    assert_eq!(state.advance(start + CHANGES_INTERVAL), None);
    assert_eq!(reader.read(&mut state), 1);
    assert_eq!((reader.names(), reader.user_count), (vec!["ada", "bob", "cyd", "dan"], 4));
    assert_eq!(reader.viewer_count, 7);
    state.record_viewers_here(8);
    state.advance(start + 2 * CHANGES_INTERVAL);
    assert_eq!((reader.read(&mut state), reader.viewer_count), (1, 8), "the number of viewers alone is a change");
    state.record_viewers_here(9);
    state.record_viewers_here(8);
    state.advance(start + 3 * CHANGES_INTERVAL);
    assert_eq!(reader.read(&mut state), 0, "nothing has changed in the end");
}

#[test]
fn a_banned_user_disappears_everywhere_and_returns_when_the_ban_ends() {
    let (mut state, mut now) = (State::new(0, false), Instant::now());
    let mut pass = |state: &mut State, seconds| {
        now += Duration::from_secs(seconds);
        state.advance(now);
        now
    };
    state.join(user("ada"), None);
    state.record_elsewhere(PresentUsers { users: vec![user("bob")], total: 1 }, 0);
    let now = pass(&mut state, 0);
    let mut reader = Reader::open(&mut state);
    assert_eq!(reader.names(), ["ada", "bob"]);
    state.record_typing(&Typing { user: user("ada").user, remaining: TYPING_DURATION }, now);
    state.record_ban(&id("ada"), now + Duration::from_secs(20), now);
    state.record_ban(&id("bob"), now + Duration::from_secs(60), now);
    assert!(state.pending.bans, "others may have the same address");
    let now = pass(&mut state, 1);
    reader.read(&mut state);
    assert_eq!((reader.names(), reader.user_count, reader.typing()), (vec![], 0, vec![]));
    state.record_typing(&Typing { user: user("ada").user, remaining: TYPING_DURATION }, now);
    state.join(user("bob"), None);
    pass(&mut state, 1);
    reader.read(&mut state);
    assert_eq!((reader.names(), reader.typing()), (vec![], vec![]), "it was banned while its subscription was opened");
    pass(&mut state, 20);
    pass(&mut state, 0);
    reader.read(&mut state);
    assert!(reader.names().contains(&"ada"), "the ban has ended");
    state.record_unban(&id("bob"));
    pass(&mut state, 2);
    reader.read(&mut state);
    assert_eq!((reader.names(), reader.user_count), (vec!["ada", "bob"], 2));
}

#[test]
fn typing_ends_by_itself_with_the_next_message_and_is_bounded() {
    let (mut state, start) = (State::new(0, false), Instant::now());
    let typing = |name: &str| Typing { user: user(name).user, remaining: TYPING_DURATION };
    state.advance(start);
    let mut reader = Reader::open(&mut state);
    state.record_typing(&typing("ada"), start);
    state.advance(start);
    reader.read(&mut state);
    assert_eq!(reader.typing(), ["ada"]);
    state.record_typing(&typing("bob"), start);
    assert_eq!(state.advance(start), Some(start + TYPING_INTERVAL), "changes are gathered for a moment");
    assert!(state.record_message(&user("ada").user, Role::Member));
    assert!(!state.record_message(&user("ada").user, Role::Member), "that is no news");
    state.advance(start + TYPING_INTERVAL);
    reader.read(&mut state);
    assert_eq!(reader.typing(), ["bob"]);
    assert_eq!(state.advance(start + TYPING_INTERVAL), Some(start + TYPING_DURATION));
    state.advance(start + TYPING_DURATION);
    reader.read(&mut state);
    assert!(reader.typing().is_empty());
    for n in 0..2 * TYPING_USERS_MAX {
        state.record_typing(&typing(&n.to_string()), start + 2 * TYPING_DURATION);
    }
    state.advance(start + 2 * TYPING_DURATION);
    assert_eq!(Reader::open(&mut state).typing().len(), TYPING_USERS_MAX);
}

#[test]
fn an_owner_is_shown_as_one_wherever_it_has_proven_it() {
    let (mut state, start) = (State::new(0, false), Instant::now());
    state.join(user("ada"), None);
    state.join(user("bob"), None);
    state.advance(start);
    let mut reader = Reader::open(&mut state);
    assert!(state.record_message(&user("ada").user, Role::Owner));
    let owner = PresentUser { role: Role::Owner, ..user("bob") };
    state.record_elsewhere(PresentUsers { users: vec![owner], total: 1 }, 0);
    state.join(user("ada"), None);
    state.advance(start + CHANGES_INTERVAL);
    assert_eq!(reader.read(&mut state), 1);
    assert!(reader.joined.is_empty() && reader.users.values().all(|user| user.role == Role::Owner));
    assert_eq!(reader.user_count, 2);
}

#[test]
fn a_long_list_is_bounded_and_those_in_it_stay() {
    let (mut state, start) = (State::new(0, false), Instant::now());
    (0..PRESENT_USERS_MAX).for_each(|n| state.join(user(&format!("m{n:04}")), None));
    state.advance(start);
    let mut reader = Reader::open(&mut state);
    let elsewhere = (0..PRESENT_USERS_MAX).map(|n| user(&format!("e{n:04}"))).collect();
    state.record_elsewhere(PresentUsers { users: elsewhere, total: 5_000 }, 0);
    state.advance(start + CHANGES_INTERVAL);
    reader.read(&mut state);
    assert_eq!(reader.user_count, PRESENT_USERS_MAX as u64 + 5_000, "all are counted");
    assert!(reader.users.len() == PRESENT_USERS_MAX && reader.left.is_empty() && reader.joined.is_empty());
    state.local.leave(&id("m0007"), start);
    state.advance(start + LINGER);
    reader.read(&mut state);
    assert_eq!((reader.left.len(), reader.joined.len()), (1, 1), "another one takes the place");
}

#[test]
fn a_slow_reader_gets_a_new_snapshot() {
    let (mut state, start) = (State::new(0, false), Instant::now());
    state.advance(start);
    let mut reader = Reader::open(&mut state);
    for n in 0..3 * CAPACITY as u32 {
        state.join(user(&format!("user {n}")), None);
        state.advance(start + n * CHANGES_INTERVAL);
    }
    reader.read(&mut state);
    assert_eq!(reader.users.len(), 3 * CAPACITY);
    state.close();
    assert!(state.subscribe().is_none() && state.is_idle());
}
