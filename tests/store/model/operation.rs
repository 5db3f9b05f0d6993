//! The random operations.

use proptest::bool::weighted;
use proptest::option;
use proptest::prelude::*;

/// The numbers of rooms, users and so on. Few, so that operations concern the same ones.
const FEW: std::ops::Range<u8> = 0..3;

/// One operation on rooms, users and messages with small numbers. Some of them do not exist.
#[derive(Clone, Debug)]
pub enum Operation {
    Create { room: u8 },
    End { room: u8 },
    Send { room: u8, actor: SmallActor, text: u8, client_id: Option<u8>, reply_to: Option<u8>, limits: SmallLimits },
    Edit { room: u8, actor: SmallActor, message: u8, revision: Revision, text: u8, limits: SmallLimits },
    Delete { room: u8, message: u8, revision: Revision, by_owner: bool },
    Update { room: u8, setting: Setting, limits: SmallLimits },
    Ban { room: u8, user: u8, ends: bool, limits: SmallLimits },
    Unban { room: u8, user: u8, limits: SmallLimits },
    Join { room: u8, actor: SmallActor },
    React { room: u8, actor: SmallActor, message: u8, emoji: u8, add: bool, limits: SmallLimits },
    LogReactions { room: u8 },
    Member { room: u8, actor: SmallActor },
    Bans { room: u8, skip: u8, limit: u8 },
    ReactionsBy { room: u8, user: u8 },
    ReadLog { room: u8, after: LogPosition, limit: u8 },
    Snapshot { room: u8, window: Option<SmallWindow> },
    Users { room: u8, window: SmallWindow },
    ActiveRooms { limit: u8 },
    Authenticate { user: u8, presents: PresentedTokenKind, with_name: bool },
    ForgetNewUser { user: u8, token: PresentedTokenKind },
}

/// A user with a small number. The last of them is signed.
#[derive(Clone, Copy, Debug)]
pub struct SmallActor {
    pub user: u8,
    pub address: Option<u8>,
    pub is_owner: bool,
}

/// A setting to change.
#[derive(Clone, Copy, Debug)]
pub enum Setting {
    Nothing,
    Title(Option<u8>),
    Listed(bool),
    Locked(bool),
    SlowMode(bool),
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
        4 => FEW.prop_map(|room| Create { room }),
        1 => FEW.prop_map(|room| End { room }),
        10 => (FEW, small_actor(), FEW, option::of(FEW), option::weighted(0.2, FEW), small_limits()).prop_map(
            |(room, actor, text, client_id, reply_to, limits)| Send { room, actor, text, client_id, reply_to, limits }
        ),
        4 => (FEW, small_actor(), 0..5u8, revision(), FEW, small_limits()).prop_map(
            |(room, actor, message, revision, text, limits)| Edit { room, actor, message, revision, text, limits }
        ),
        2 => (FEW, 0..5u8, revision(), any_bool())
            .prop_map(|(room, message, revision, by_owner)| Delete { room, message, revision, by_owner }),
        2 => (FEW, setting(), small_limits()).prop_map(|(room, setting, limits)| Update { room, setting, limits }),
        2 => (FEW, FEW, any_bool(), small_limits()).prop_map(|(room, user, ends, limits)| Ban { room, user, ends, limits }),
        1 => (FEW, FEW, small_limits()).prop_map(|(room, user, limits)| Unban { room, user, limits }),
        2 => (FEW, small_actor()).prop_map(|(room, actor)| Join { room, actor }),
        6 => (FEW, small_actor(), 0..3u8, FEW, weighted(0.7), small_limits()).prop_map(
            |(room, actor, message, emoji, add, limits)| React { room, actor, message, emoji, add, limits }
        ),
        1 => FEW.prop_map(|room| LogReactions { room }),
        2 => (FEW, small_actor()).prop_map(|(room, actor)| Member { room, actor }),
        1 => (FEW, 0..3u8, 0..3u8).prop_map(|(room, skip, limit)| Bans { room, skip, limit }),
        1 => (FEW, FEW).prop_map(|(room, user)| ReactionsBy { room, user }),
        4 => (FEW, log_position(), 0..6u8).prop_map(|(room, after, limit)| ReadLog { room, after, limit }),
        3 => (FEW, option::of(small_window())).prop_map(|(room, window)| Snapshot { room, window }),
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

fn small_actor() -> impl Strategy<Value = SmallActor> {
    (FEW, option::of(0..2u8), weighted(0.05)).prop_map(|(user, address, is_owner)| SmallActor {
        user,
        address,
        is_owner,
    })
}

fn setting() -> impl Strategy<Value = Setting> {
    prop_oneof![
        1 => Just(Setting::Nothing),
        2 => option::of(FEW).prop_map(Setting::Title),
        2 => any_bool().prop_map(Setting::Listed),
        2 => weighted(0.3).prop_map(Setting::Locked),
        2 => weighted(0.3).prop_map(Setting::SlowMode),
    ]
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
    let bound = || option::of(0..8u8);
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
