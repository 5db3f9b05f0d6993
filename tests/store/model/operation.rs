//! The random operations.

use proptest::prelude::*;

/// The numbers of rooms, users and so on. Few, so that operations concern the same ones.
const FEW: std::ops::Range<u8> = 0..3;

/// One operation on rooms, users and messages with small numbers. Some of them do not exist.
#[derive(Clone, Debug)]
pub enum Operation {
    Create { room: u8 },
    Send { room: u8, user: u8, text: u8, client_id: Option<u8>, limits: SmallLimits },
    Edit { room: u8, message: u8, revision: Revision, text: u8, limits: SmallLimits },
    Delete { room: u8, message: u8, revision: Revision },
    ReadLog { room: u8, after: LogPosition, limit: u8 },
    Snapshot { room: u8, window: Option<SmallWindow> },
    Users { room: u8, window: SmallWindow },
    ActiveRooms { limit: u8 },
    Authenticate { user: u8, presents: PresentedTokenKind, with_name: bool },
    ForgetNewUser { user: u8, token: PresentedTokenKind },
}

/// The revision that a change is decided on.
#[derive(Clone, Copy, Debug)]
pub enum Revision {
    Current,
    /// Another number, this many entries before the end of the log.
    Other(u8),
}

/// Room limits in small numbers.
#[derive(Clone, Copy, Debug)]
pub struct SmallLimits {
    pub messages: u8,
    pub events: u8,
    pub edits: u8,
}

impl SmallLimits {
    pub const ROOMY: Self = Self { messages: 255, events: 255, edits: 255 };
}

/// A position in a log.
#[derive(Clone, Copy, Debug)]
pub enum LogPosition {
    /// After this many entries, or at the end of a shorter log.
    After(u8),
    /// The same with another tag.
    Forged(u8),
    /// This many entries beyond the end.
    Beyond(u8),
    /// The end of the log of another room.
    EndOf(u8),
}

/// A window with small numbers.
#[derive(Clone, Copy, Debug)]
pub struct SmallWindow {
    pub after: Option<u8>,
    pub before: Option<u8>,
    pub size: u8,
    pub from_the_end: bool,
}

/// Which of a user's tokens a client presents.
#[derive(Clone, Copy, Debug)]
pub enum PresentedTokenKind {
    None,
    Current,
    Previous,
    /// A token before the previous one.
    Old,
    /// A token that the user never had.
    Foreign,
}

pub fn any() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        2 => FEW.prop_map(|room| Create { room }),
        8 => (FEW, FEW, FEW, proptest::option::of(FEW), small_limits()).prop_map(
            |(room, user, text, client_id, limits)| Send { room, user, text, client_id, limits }
        ),
        4 => (FEW, 0..5u8, revision(), FEW, small_limits())
            .prop_map(|(room, message, revision, text, limits)| Edit { room, message, revision, text, limits }),
        2 => (FEW, 0..5u8, revision()).prop_map(|(room, message, revision)| Delete { room, message, revision }),
        4 => (FEW, log_position(), 0..6u8).prop_map(|(room, after, limit)| ReadLog { room, after, limit }),
        3 => (FEW, proptest::option::of(small_window())).prop_map(|(room, window)| Snapshot { room, window }),
        2 => (FEW, small_window()).prop_map(|(room, window)| Users { room, window }),
        1 => (0..4u8).prop_map(|limit| ActiveRooms { limit }),
        6 => (FEW, token_kind(), any_bool())
            .prop_map(|(user, presents, with_name)| Authenticate { user, presents, with_name }),
        1 => (FEW, token_kind()).prop_map(|(user, token)| ForgetNewUser { user, token }),
    ]
}

fn any_bool() -> impl Strategy<Value = bool> {
    proptest::bool::ANY
}

fn small_limits() -> impl Strategy<Value = SmallLimits> {
    prop_oneof![
        4 => Just(SmallLimits::ROOMY),
        1 => (0..6u8).prop_map(|messages| SmallLimits { messages, ..SmallLimits::ROOMY }),
        1 => (0..12u8).prop_map(|events| SmallLimits { events, ..SmallLimits::ROOMY }),
        1 => (0..4u8).prop_map(|edits| SmallLimits { edits, ..SmallLimits::ROOMY }),
    ]
}

fn revision() -> impl Strategy<Value = Revision> {
    prop_oneof![3 => Just(Revision::Current), 1 => (0..4u8).prop_map(Revision::Other)]
}

fn log_position() -> impl Strategy<Value = LogPosition> {
    prop_oneof![
        5 => (0..20u8).prop_map(LogPosition::After),
        1 => (0..20u8).prop_map(LogPosition::Forged),
        1 => (1..4u8).prop_map(LogPosition::Beyond),
        1 => FEW.prop_map(LogPosition::EndOf),
    ]
}

fn small_window() -> impl Strategy<Value = SmallWindow> {
    let bound = || proptest::option::of(0..8u8);
    (bound(), bound(), 0..6u8, any_bool()).prop_map(|(after, before, size, from_the_end)| SmallWindow {
        after,
        before,
        size,
        from_the_end,
    })
}

fn token_kind() -> impl Strategy<Value = PresentedTokenKind> {
    prop_oneof![
        1 => Just(PresentedTokenKind::None),
        4 => Just(PresentedTokenKind::Current),
        2 => Just(PresentedTokenKind::Previous),
        1 => Just(PresentedTokenKind::Old),
        1 => Just(PresentedTokenKind::Foreign),
    ]
}
