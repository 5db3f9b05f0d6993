//! The ways in which a faulty store breaks the contract.

/// How a store breaks the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not.
    None,
    /// A slow feed drops events without a resync.
    IgnoresLag,
    /// Rooms do not expire.
    IgnoresExpiry,
    /// The room expires, but its log and its users do not.
    SideKeysOutliveRoom,
    /// A feed continues after a cut without a resync.
    NoResync,
    /// The fifth and the sixth change of a room have the same number.
    SharedSeq,
    /// Failures are reported as counted, but are not.
    FailuresNotCounted,
    /// A user that a refused message registered is forgotten even if it has been authenticated since.
    ForgetsAuthenticatedUsers,
    /// A send stops when its caller stops waiting.
    StopsWithCaller,
    /// Limits are checked before the commit, not in the same step.
    LimitsNotAtomic,
    /// Bans are checked before the commit, not in the same step.
    BansNotAtomic,
    /// Bans are checked before a repeat is recognized.
    RepeatsObeyBans,
    /// Addresses are not banned.
    AddressesNotBanned,
    /// Only messages and joins renew the address of a user.
    AddressesNotRenewed,
    /// Whether a user is banned does not depend on where it is now.
    PresentAddressIgnored,
    /// Slow mode is checked before the commit, not in the same step.
    SlowModeNotAtomic,
    /// Messages before slow mode do not count in it.
    EarlierMessagesIgnored,
    /// Gathered changes of reactions never get their entry.
    GatheredReactionsLost,
    /// The same reaction counts each time that it is added.
    ReactionsCountedTwice,
    /// An ended room is not found, but its log and its users are.
    EndedRoomRemains,
    /// Unlisted rooms are listed.
    UnlistedRoomsListed,
    /// Typing reaches no feed.
    TypingLost,
}
