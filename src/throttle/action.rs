//! What is limited: one list of actions, each with its setting, its default and what a client is told.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use governor::Quota;

/// Something that can be done too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Making a room, counted by address.
    CreateRoom,
    /// Sending, editing or deleting a message, counted by user and address: others cannot use up what a user may do.
    SendAsUser,
    /// The same, counted by client: users cost nothing, and one client can be many.
    SendAsClient,
    /// The same, counted by room.
    SendToRoom,
    /// Opening a subscription, counted by address.
    Subscribe,
    /// Reading, counted by client in units of cost.
    Read,
    /// Waiting for a room code to be looked at, more of one client at once than there is space for.
    EnterRoom,
    /// Bringing a wrong room code, counted by address and by room.
    WrongCode,
    /// Bringing a wrong token, counted by user and address.
    WrongToken,
}

impl Action {
    pub(super) const ALL: [Self; 9] = [
        Self::CreateRoom,
        Self::SendAsUser,
        Self::SendAsClient,
        Self::SendToRoom,
        Self::Subscribe,
        Self::Read,
        Self::EnterRoom,
        Self::WrongCode,
        Self::WrongToken,
    ];

    /// What it is counted as when it is refused.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::CreateRoom => "create_room",
            Self::SendAsUser => "send_as_user",
            Self::SendAsClient => "send_as_client",
            Self::SendToRoom => "send_to_room",
            Self::Subscribe => "subscribe",
            Self::Read => "read",
            Self::EnterRoom => "enter_room",
            Self::WrongCode => "wrong_code",
            Self::WrongToken => "wrong_token",
        }
    }

    /// The name of its setting, and what holds without it: a [`Rate`], or for the last two a [`Patience`]. `None` for what
    /// cannot be set.
    pub const fn setting(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::CreateRoom => ("RATE_ROOMS_PER_ADDRESS", "10/m:20"),
            Self::SendAsUser => ("RATE_SENDS_PER_USER", "5/s:50"),
            Self::SendAsClient => ("RATE_SENDS_PER_CLIENT", "20/s:200"),
            Self::SendToRoom => ("RATE_SENDS_PER_ROOM", "100/s:500"),
            Self::Subscribe => ("RATE_SUBSCRIPTIONS_PER_ADDRESS", "50/s:1000"),
            Self::Read => ("RATE_READS_PER_CLIENT", "10000/s:200000"),
            Self::EnterRoom => return None,
            Self::WrongCode => ("WRONG_CODES_PER_ADDRESS", "10:1m"),
            Self::WrongToken => ("WRONG_TOKENS_PER_USER", "10:1m"),
        })
    }

    /// What a client is told that has done it too often.
    pub const fn message(self) -> &'static str {
        match self {
            Self::CreateRoom => "too many rooms were created from this address; wait a little",
            Self::SendAsUser => "this user sends too fast; wait a little",
            Self::SendAsClient => "too much is sent from this address; wait a little",
            Self::SendToRoom => "too much is sent to this room; wait a little",
            Self::Subscribe => "too many subscriptions were opened from this address; wait a little",
            Self::Read => "too much is read from this address; wait a little, or ask for less at once",
            Self::EnterRoom => "too many room codes from this address wait to be looked at; wait a little",
            Self::WrongCode => "too many wrong room codes; no code is looked at for a while",
            Self::WrongToken => "too many wrong tokens for this user; use the token of the user's last answer",
        }
    }
}

/// How often something may be done: `10/m:20` is ten times a minute, and twenty times at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time between two.
    every: Duration,
    at_once: NonZeroU32,
}

impl Rate {
    /// How many at once.
    pub(super) const fn at_once(self) -> NonZeroU32 {
        self.at_once
    }

    /// As `governor` wants it; `None` when there is no time between two, which parsing rules out.
    pub(super) fn quota(self) -> Option<Quota> {
        Quota::with_period(self.every).map(|quota| quota.allow_burst(self.at_once))
    }
}

/// Text that is no rate, or no patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl FromStr for Rate {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let (rate, at_once) = text.split_once(':').ok_or(Unreadable)?;
        let (count, unit) = rate.split_once('/').ok_or(Unreadable)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(Unreadable),
        };
        let count: u32 = count.parse().ok().filter(|count| (1..=1_000_000).contains(count)).ok_or(Unreadable)?;
        let at_once = at_once.parse().ok().filter(|at_once: &NonZeroU32| at_once.get() <= 1_000_000);
        Ok(Self { every: Duration::from_secs(seconds) / count, at_once: at_once.ok_or(Unreadable)? })
    }
}

/// How many misses are borne, and how long the first lock-out lasts: `10:1m` is ten, and a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub misses: u32,
    pub first_lockout: Duration,
}

impl FromStr for Patience {
    type Err = Unreadable;

    fn from_str(text: &str) -> Result<Self, Unreadable> {
        let (misses, lockout) = text.split_once(':').ok_or(Unreadable)?;
        let misses = misses.parse().ok().filter(|misses| (1..=1_000_000).contains(misses)).ok_or(Unreadable)?;
        let lockout = humantime::parse_duration(lockout).ok();
        let sane = |lockout: &Duration| (Duration::from_secs(1)..=super::LONGEST_LOCKOUT).contains(lockout);
        Ok(Self { misses, first_lockout: lockout.filter(sane).ok_or(Unreadable)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_it_is_written() {
        let rate: Rate = "10/m:20".parse().expect("a rate");
        assert_eq!((rate.every, rate.at_once.get()), (Duration::from_secs(6), 20));
        for text in ["", "10", "10/m", "0/s:1", "1/s:0", "1/d:1", "-1/s:1", "9999999/s:1", "1/s:1:1"] {
            assert_eq!(text.parse::<Rate>(), Err(Unreadable), "{text}");
        }
    }

    #[test]
    fn a_patience_is_read_as_it_is_written() {
        let patience: Patience = "10:1m".parse().expect("a patience");
        assert_eq!((patience.misses, patience.first_lockout), (10, Duration::from_secs(60)));
        for text in ["", "10", "0:1m", "1:0s", "1:2h", "1:x"] {
            assert_eq!(text.parse::<Patience>(), Err(Unreadable), "{text}");
        }
    }
}
