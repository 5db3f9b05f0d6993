//! Which rooms are wished for at one server, shared by those who wish and by the listener that fulfils it.

use std::collections::{HashMap, HashSet};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};

use crate::domain::room::RoomId;

/// Wishes, and what was made of them on the connection that there is.
#[derive(Default)]
pub struct Wishes {
    state: Mutex<State>,
    pub changed: Notify,
}

#[derive(Default)]
struct State {
    rooms: HashMap<RoomId, Wish>,
    /// Rooms to look at again. Empty while there is no connection: the next one looks at all of them.
    changed: HashSet<RoomId>,
    /// The connection that there is.
    connection: Option<u64>,
    /// Connections so far.
    connections: u64,
}

/// That the announcements of a room be heard.
#[derive(Default)]
pub struct Wish {
    active: bool,
    waiting: Vec<oneshot::Sender<()>>,
    /// Whether somebody may believe that what was announced meanwhile will still come: announcements were heard before, or
    /// somebody gave up waiting.
    late: bool,
}

impl State {
    fn note(&mut self, room: RoomId) {
        if self.connection.is_some() {
            self.changed.insert(room);
        }
    }
}

impl Wishes {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Adds a wish; `None` when it is fulfilled already.
    pub fn add(&self, room: RoomId) -> Option<oneshot::Receiver<()>> {
        let mut state = self.lock();
        let wish = state.rooms.entry(room).or_default();
        if wish.active {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        wish.late |= wish.waiting.iter().any(oneshot::Sender::is_closed);
        wish.waiting.retain(|waiting| !waiting.is_closed());
        wish.waiting.push(sender);
        state.note(room);
        drop(state);
        self.changed.notify_one();
        Some(receiver)
    }

    /// Takes a wish back.
    pub fn remove(&self, room: RoomId) {
        let mut state = self.lock();
        state.rooms.remove(&room);
        state.note(room);
        drop(state);
        self.changed.notify_one();
    }

    /// Takes out the wishes for these rooms, to be made elsewhere.
    pub fn take(&self, moves: impl Fn(RoomId) -> bool) -> Vec<(RoomId, Wish)> {
        let mut state = self.lock();
        let taken: Vec<_> = state.rooms.extract_if(|room, _| moves(*room)).collect();
        for (room, _) in &taken {
            state.note(*room);
        }
        drop(state);
        self.changed.notify_one();
        taken
    }

    /// Puts in a wish that was made elsewhere.
    pub fn put(&self, room: RoomId, mut wish: Wish) {
        let mut state = self.lock();
        wish.late |= std::mem::take(&mut wish.active);
        state.rooms.insert(room, wish);
        state.note(room);
        drop(state);
        self.changed.notify_one();
    }

    /// A number for a connection that is about to be made.
    pub fn next_connection(&self) -> u64 {
        let mut state = self.lock();
        state.connections += 1;
        state.connections
    }

    /// There is a connection, without any subscription.
    pub fn connected(&self, connection: u64) {
        let mut state = self.lock();
        state.connection = Some(connection);
        state.changed = state.rooms.keys().copied().collect();
    }

    /// The connection is no more.
    pub fn disconnected(&self) {
        let mut state = self.lock();
        state.connection = None;
        state.changed = HashSet::new();
        for wish in state.rooms.values_mut() {
            wish.late |= std::mem::take(&mut wish.active);
        }
    }

    /// Takes the changes since the last call: rooms that are wished for, and rooms that are not; `None` without any.
    pub fn take_changes(&self) -> Option<(Vec<RoomId>, Vec<RoomId>)> {
        let mut state = self.lock();
        let changed = std::mem::take(&mut state.changed);
        (!changed.is_empty()).then(|| changed.into_iter().partition(|room| state.rooms.contains_key(room)))
    }

    /// These rooms have to be looked at again.
    pub fn put_off(&self, rooms: &[RoomId]) {
        let mut state = self.lock();
        rooms.iter().for_each(|room| state.note(*room));
    }

    /// Fulfils wishes. Those that are late are told to `resync` before anything is heard of any of them.
    pub fn fulfil(&self, rooms: &[RoomId], resync: impl FnOnce(Vec<RoomId>)) {
        let mut late = Vec::new();
        let mut state = self.lock();
        for room in rooms {
            if let Some(wish) = state.rooms.get_mut(room) {
                wish.active = true;
                let mut is_late = std::mem::take(&mut wish.late);
                for waiting in wish.waiting.drain(..) {
                    is_late |= waiting.send(()).is_err();
                }
                if is_late {
                    late.push(*room);
                }
            }
        }
        if !late.is_empty() {
            resync(late);
        }
    }

    /// Does something with what the connection of this number heard of a room, if that is still to be heard.
    ///
    /// A connection that was given up may still deliver, and so may a server from which the room has moved away. That would
    /// come twice and out of order; worse, it may follow in number on an event that a failover lost, and a reader who still
    /// stands there would take it for the next.
    pub fn hear(&self, room: RoomId, connection: u64, pass_on: impl FnOnce()) {
        let state = self.lock();
        if state.connection == Some(connection) && state.rooms.get(&room).is_some_and(|wish| wish.active) {
            pass_on();
        }
    }

    /// The server has ended a subscription on the connection of this number. Answers whether nobody had asked it to.
    pub fn ended(&self, room: RoomId, connection: u64) -> bool {
        let mut state = self.lock();
        if state.connection != Some(connection) {
            return false;
        }
        let Some(wish) = state.rooms.get_mut(&room).filter(|wish| wish.active) else { return false };
        (wish.active, wish.late) = (false, true);
        state.note(room);
        drop(state);
        self.changed.notify_one();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn late(wishes: &Wishes, room: RoomId) -> bool {
        let mut late = false;
        wishes.fulfil(&[room], |rooms| late = rooms == [room]);
        late
    }

    #[test]
    fn a_wish_is_fulfilled_late_when_anybody_gave_up_on_it_even_if_others_wait() {
        let (wishes, room) = (Wishes::default(), RoomId::random());
        drop(wishes.add(room));
        let mut patient = wishes.add(room).expect("not fulfilled yet");
        assert!(late(&wishes, room));
        assert_eq!(patient.try_recv(), Ok(()));
        assert!(wishes.add(room).is_none(), "fulfilled, so there is nothing to wait for");
        assert!(!late(&wishes, room), "said once is enough");
    }

    #[test]
    fn a_wish_taken_back_and_made_again_is_looked_at_again() {
        let (wishes, room) = (Wishes::default(), RoomId::random());
        let first = wishes.add(room);
        wishes.connected(1);
        assert_eq!(wishes.take_changes(), Some((vec![room], vec![])));
        wishes.remove(room);
        assert_eq!(wishes.take_changes(), Some((vec![], vec![room])));
        assert!(!late(&wishes, room), "nobody wishes for it");
        let _again = wishes.add(room);
        assert_eq!(wishes.take_changes(), Some((vec![room], vec![])));
        assert_eq!(wishes.take_changes(), None);
        drop(first);
    }

    #[test]
    fn nothing_piles_up_while_there_is_no_connection() {
        let wishes = Wishes::default();
        for room in std::iter::repeat_with(RoomId::random).take(100) {
            drop(wishes.add(room));
            wishes.remove(room);
        }
        let state = wishes.lock();
        assert!(state.rooms.is_empty() && state.changed.is_empty());
    }

    #[test]
    fn a_wish_that_was_fulfilled_elsewhere_is_late_where_it_is_made_anew() {
        let (old, new, room) = (Wishes::default(), Wishes::default(), RoomId::random());
        let _waiting = old.add(room);
        old.connected(1);
        assert!(!late(&old, room), "it was fulfilled in time");
        for (room, wish) in old.take(|_| true) {
            new.put(room, wish);
        }
        old.hear(room, 1, || panic!("what comes from where the room was is not heard any more"));
        assert_eq!(old.take_changes(), Some((vec![], vec![room])), "its subscription is ended");
        assert!(late(&new, room));
    }

    #[test]
    fn a_subscription_that_the_server_ends_is_made_again_and_late() {
        let (wishes, room) = (Wishes::default(), RoomId::random());
        let _waiting = wishes.add(room);
        wishes.connected(1);
        assert!(wishes.take_changes().is_some());
        assert!(!wishes.ended(room, 1), "it was not there yet: this answers what was asked for before");
        assert!(!late(&wishes, room));
        assert!(!wishes.ended(room, 2), "that is another connection");
        assert!(wishes.ended(room, 1));
        assert_eq!(wishes.take_changes(), Some((vec![room], vec![])));
        assert!(late(&wishes, room));
    }
}
