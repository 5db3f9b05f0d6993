//! The operations that are tried.

use proptest::prelude::*;

/// How many rooms, users, and so on the operations speak of. Small, so that they meet.
const FEW: std::ops::Range<u8> = 0..3;

/// One operation, naming what it is about by small numbers. A number without a bearer is tried as well.
#[derive(Clone, Debug)]
pub enum Operation {
    Create { room: u8 },
    Send { room: u8, user: u8, words: u8, client_id: Option<u8>, limits: Limited },
    Edit { room: u8, message: u8, revision: Revision, words: u8, limits: Limited },
    Delete { room: u8, message: u8, revision: Revision },
    ReadLog { room: u8, after: Place, limit: u8 },
    Snapshot { room: u8, window: Option<Pane> },
    Chatters { room: u8, window: Pane },
    ActiveRooms { limit: u8 },
    Admit { user: u8, shows: Shown, with_name: bool },
    Withdraw { user: u8, token: Shown },
}

/// The revision a change is decided on.
#[derive(Clone, Copy, Debug)]
pub enum Revision {
    Current,
    /// The one of another number, so many entries away from the end of the log.
    Other(u8),
}

/// How much a room takes, as a change of it says.
#[derive(Clone, Copy, Debug)]
pub struct Limited {
    pub messages: u8,
    pub events: u8,
    pub edits: u8,
}

impl Limited {
    pub const ROOMY: Self = Self { messages: 255, events: 255, edits: 255 };
}

/// A position in a log.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Behind this many entries, as far as there are so many.
    Behind(u8),
    /// The same with another check.
    Forged(u8),
    /// So far beyond the end.
    Beyond(u8),
    /// The end of this room's log.
    OfRoom(u8),
}

/// A window in small numbers.
#[derive(Clone, Copy, Debug)]
pub struct Pane {
    pub after: Option<u8>,
    pub before: Option<u8>,
    pub size: u8,
    pub from_the_end: bool,
}

/// The token that somebody shows.
#[derive(Clone, Copy, Debug)]
pub enum Shown {
    None,
    Current,
    Previous,
    /// One of those before.
    Old,
    Unheard,
}

pub fn any() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        2 => FEW.prop_map(|room| Create { room }),
        8 => (FEW, FEW, FEW, proptest::option::of(FEW), limited()).prop_map(
            |(room, user, words, client_id, limits)| Send { room, user, words, client_id, limits }
        ),
        4 => (FEW, 0..5u8, revision(), FEW, limited())
            .prop_map(|(room, message, revision, words, limits)| Edit { room, message, revision, words, limits }),
        2 => (FEW, 0..5u8, revision()).prop_map(|(room, message, revision)| Delete { room, message, revision }),
        4 => (FEW, place(), 0..6u8).prop_map(|(room, after, limit)| ReadLog { room, after, limit }),
        3 => (FEW, proptest::option::of(pane())).prop_map(|(room, window)| Snapshot { room, window }),
        2 => (FEW, pane()).prop_map(|(room, window)| Chatters { room, window }),
        1 => (0..4u8).prop_map(|limit| ActiveRooms { limit }),
        6 => (FEW, shown(), any_bool()).prop_map(|(user, shows, with_name)| Admit { user, shows, with_name }),
        1 => (FEW, shown()).prop_map(|(user, token)| Withdraw { user, token }),
    ]
}

fn any_bool() -> impl Strategy<Value = bool> {
    proptest::bool::ANY
}

fn limited() -> impl Strategy<Value = Limited> {
    prop_oneof![
        4 => Just(Limited::ROOMY),
        1 => (0..6u8).prop_map(|messages| Limited { messages, ..Limited::ROOMY }),
        1 => (0..12u8).prop_map(|events| Limited { events, ..Limited::ROOMY }),
        1 => (0..4u8).prop_map(|edits| Limited { edits, ..Limited::ROOMY }),
    ]
}

fn revision() -> impl Strategy<Value = Revision> {
    prop_oneof![3 => Just(Revision::Current), 1 => (0..4u8).prop_map(Revision::Other)]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        5 => (0..20u8).prop_map(Place::Behind),
        1 => (0..20u8).prop_map(Place::Forged),
        1 => (1..4u8).prop_map(Place::Beyond),
        1 => FEW.prop_map(Place::OfRoom),
    ]
}

fn pane() -> impl Strategy<Value = Pane> {
    let bound = || proptest::option::of(0..8u8);
    (bound(), bound(), 0..6u8, any_bool()).prop_map(|(after, before, size, from_the_end)| Pane {
        after,
        before,
        size,
        from_the_end,
    })
}

fn shown() -> impl Strategy<Value = Shown> {
    prop_oneof![
        1 => Just(Shown::None),
        4 => Just(Shown::Current),
        2 => Just(Shown::Previous),
        1 => Just(Shown::Old),
        1 => Just(Shown::Unheard),
    ]
}
