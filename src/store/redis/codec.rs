//! Encodes and decodes rooms, users and numbers in Redis. Events and messages are in `event_codec`, keys in `keys`, and
//! replies of scripts in `reply`.
//!
//! Scripts read and write the same values. `scripts/formats.lua` has the layout of their numbers, which are big-endian.

use crate::domain::message::ClientMessageId;
use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::presence::PresentUser;
use crate::domain::room::{Room, RoomCode, RoomId, RoomSecret, RoomSettings, RoomTitle};
use crate::domain::timestamp::Timestamp;
use crate::domain::token::{SealedToken, TokenHash};
use crate::domain::user::{AvatarUrl, DisplayName, Role, User, UserId};
use crate::store::{
    AddressHash, Admission, BanRecord, MemberRecord, PresentedToken, ReactionRecord, RoomLimits, RoomState, StoreError,
    UserRecord,
};

/// Data from Redis that cannot be decoded. Names the expected kind of data, never its content.
#[derive(Debug, thiserror::Error)]
#[error("cannot decode {0} from Redis")]
pub struct DecodeError(pub &'static str);

impl From<DecodeError> for StoreError {
    fn from(error: DecodeError) -> Self {
        Self::Corrupt(Box::new(error))
    }
}

/// The field of a room for a user.
pub fn user_field(id: &UserId) -> String {
    format!("u{}", id.as_str())
}

/// The field of a room for a send with a client message id.
pub fn send_field(author: &UserId, client_message_id: &ClientMessageId) -> String {
    format!("c{}\n{}", author.as_str(), client_message_id.as_str())
}

/// Encodes the picture of a user.
pub fn encode_avatar(user: &User) -> &str {
    user.avatar_url.as_ref().map_or("", |url| url.as_str())
}

/// Encodes a user.
pub fn encode_user(user: &User) -> String {
    format!("{}\n{}", user.id.as_str(), encode_profile(user))
}

/// Encodes name and picture of a user.
pub fn encode_profile(user: &User) -> String {
    format!("{}\n{}", user.display_name.as_str(), encode_avatar(user))
}

/// Decodes a user.
pub fn decode_user(encoded: &str) -> Result<User, DecodeError> {
    let (id, profile) = encoded.split_once('\n').ok_or(DecodeError("a user"))?;
    decode_profile(UserId::from_stored(id.to_owned()), profile)
}

/// Decodes name and picture of a user.
pub fn decode_profile(id: UserId, encoded: &str) -> Result<User, DecodeError> {
    let (name, lines) = encoded.split_once('\n').ok_or(DecodeError("the name of a user"))?;
    let avatar_url = first_line(lines);
    let avatar_url = (!avatar_url.is_empty()).then(|| AvatarUrl::from_stored(avatar_url.to_owned()));
    Ok(User { id, display_name: DisplayName::from_stored(name.to_owned()), avatar_url })
}

/// The first of several lines. The others are those of newer versions.
pub fn first_line(lines: &str) -> &str {
    lines.split('\n').next().unwrap_or_default()
}

/// Encodes a role.
pub const fn encode_role(role: Role) -> u8 {
    match role {
        Role::Member => b'm',
        Role::Owner => b'o',
    }
}

/// Decodes a role, also that of a user without a message. A role of a newer version counts as that of a member.
pub fn decode_role(encoded: &[u8]) -> Result<Role, DecodeError> {
    match encoded {
        b"o" | b"O" => Ok(Role::Owner),
        [_, ..] => Ok(Role::Member),
        [] => Err(DecodeError("a role")),
    }
}

/// Encodes what a script needs to know of a user who acts, besides the id.
pub fn encode_mark(is_owner: bool, address: Option<AddressHash>) -> Vec<u8> {
    let role = if is_owner { Role::Owner } else { Role::Member };
    let mut encoded = vec![encode_role(role)];
    encoded.extend(address.map_or([0; 16], |address| address.0));
    encoded
}

/// Encodes a user of a room.
pub fn encode_member(member: &MemberRecord) -> Vec<u8> {
    let mut encoded = encode_mark(member.role == Role::Owner, member.address);
    if member.index.is_none() {
        encoded[..1].make_ascii_uppercase();
    }
    put_numbers(&mut encoded, [member.index.unwrap_or(0)]);
    encoded.extend(encode_profile(&member.user).bytes());
    encoded
}

/// Encodes a ban as it is stored.
pub fn encode_ban_record(record: &BanRecord) -> Vec<u8> {
    let BanRecord { index, ban, address } = record;
    let mut encoded = Vec::new();
    put_numbers(&mut encoded, [*index, ban.at.as_millis(), ban.until.map_or(0, Timestamp::as_millis)]);
    encoded.extend(address.map_or([0; 16], |address| address.0));
    encoded.extend(ban.reason.as_ref().map_or("", |reason| reason.as_str()).bytes());
    encoded
}

/// Encodes the end of a ban.
pub fn encode_end(until: Option<Timestamp>) -> Vec<u8> {
    let mut encoded = Vec::new();
    put_numbers(&mut encoded, [until.map_or(0, Timestamp::as_millis)]);
    encoded
}

/// Encodes a reaction of a user. An odd number of changes says that the message has it.
pub fn encode_reaction(reaction: &ReactionRecord) -> Vec<u8> {
    let ReactionRecord { message, user, emoji, toggles, .. } = reaction;
    let mut encoded = Vec::new();
    put_numbers(&mut encoded, [*message]);
    encoded.extend(format!("{}\n{}\n{toggles}", user.as_str(), emoji.as_str()).bytes());
    encoded
}

/// Encodes a present user, without the id.
pub fn encode_present(present: &PresentUser) -> String {
    let encoded = format!("{}{}", char::from(encode_role(present.role)), encode_profile(&present.user));
    #[cfg(feature = "test-next-version")]
    let encoded = encoded + crate::store::redis::next_version::LINE;
    encoded
}

/// Decodes a present user.
pub fn decode_present(id: String, encoded: &str) -> Result<PresentUser, DecodeError> {
    let (role, profile) = encoded.split_at_checked(1).ok_or(DecodeError("a present user"))?;
    Ok(PresentUser { user: decode_profile(UserId::from_stored(id), profile)?, role: decode_role(role.as_bytes())? })
}

/// What a room counts, beyond its [`RoomState`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Log entries that are reserved.
    pub reserved: u64,
    /// Log entries about reactions.
    pub reaction_entries: u64,
    pub bans: u32,
}

/// Encodes the state of a room.
pub fn encode_state(state: &RoomState, counts: Counts) -> Vec<u8> {
    let RoomState { room, head, message_count, user_count, settings, reaction_changes, .. } = state;
    let (expires_at, created_at) = (room.expires_at.as_millis(), room.created_at.as_millis());
    let mut encoded = Vec::new();
    put_numbers(&mut encoded, [expires_at, created_at, head.seq.0, *message_count, counts.reserved, *user_count]);
    encoded.extend(encode_tag(head.tag));
    if settings.locked || settings.slow_mode_seconds > 0 || *reaction_changes > 0 || counts.bans > 0 {
        put_numbers(&mut encoded, [*reaction_changes, counts.reaction_entries]);
        encoded.push(settings.locked.into());
        encoded.extend(settings.slow_mode_seconds.to_be_bytes());
        encoded.extend(counts.bans.to_be_bytes());
    }
    encoded
}

/// Encodes what a room has besides its state.
pub fn encode_about(code: &RoomCode, owner_token: &TokenHash, secret: &RoomSecret, settings: &RoomSettings) -> Vec<u8> {
    let mut encoded = [&owner_token.0[..], &secret.0].concat();
    encoded.push(settings.listed.into());
    encoded.extend(settings.capacity.unwrap_or(0).to_be_bytes());
    encoded.extend(format!("{}\n{}", code.reveal(), encode_title(settings.title.as_ref())).bytes());
    #[cfg(feature = "test-next-version")]
    encoded.extend(crate::store::redis::next_version::LINE.bytes());
    encoded
}

/// Encodes what this room has besides its state.
pub fn encode_about_of(state: &RoomState) -> Vec<u8> {
    let RoomState { room, settings, .. } = state;
    encode_about(&room.code, &room.owner_token, &room.secret, settings)
}

/// Encodes a title.
pub fn encode_title(title: Option<&RoomTitle>) -> &str {
    title.map_or("", |title| title.as_str())
}

/// Decodes a room from its state and the rest of it. `now` computes the time from the end of the room.
pub fn decode_room(
    id: RoomId,
    mut state: &[u8],
    mut about: &[u8],
    now: impl FnOnce(Timestamp) -> Timestamp,
) -> Result<RoomState, DecodeError> {
    let [expires_at, created_at, seq, message_count, _reserved, user_count] = take_numbers(&mut state)?;
    let head = Position { seq: Seq(seq), tag: take_tag(&mut state)? };
    let mut settings = RoomSettings::default();
    let mut reaction_changes = 0;
    if !state.is_empty() {
        let [changes, _entries] = take_numbers(&mut state)?;
        reaction_changes = changes;
        [settings.locked] = take(&mut state)?.map(|locked: u8| locked == 1);
        settings.slow_mode_seconds = u32::from_be_bytes(take(&mut state)?);
    }
    let (owner_token, secret) = (TokenHash(take(&mut about)?), RoomSecret(take(&mut about)?));
    [settings.listed] = take(&mut about)?.map(|listed: u8| listed == 1);
    settings.capacity = decode_capacity(take(&mut about)?);
    let about = str::from_utf8(about).ok().and_then(|about| about.split_once('\n'));
    let (code, title) = about.ok_or(DecodeError("a room code"))?;
    settings.title = decode_title(first_line(title));
    let (created_at, expires_at) = (Timestamp::from_millis(created_at), Timestamp::from_millis(expires_at));
    let code = RoomCode::from_stored(code.to_owned());
    let room = Room { id, code, owner_token, secret, created_at, expires_at };
    Ok(RoomState { now: now(expires_at), room, head, message_count, user_count, settings, reaction_changes })
}

/// Decodes a capacity.
pub const fn decode_capacity(encoded: [u8; 4]) -> Option<u32> {
    match u32::from_be_bytes(encoded) {
        0 => None,
        capacity => Some(capacity),
    }
}

/// Decodes a title.
pub fn decode_title(encoded: &str) -> Option<RoomTitle> {
    (!encoded.is_empty()).then(|| RoomTitle::from_stored(encoded.to_owned()))
}

/// Encodes the tokens of a known user: the current one, and the previous one under which it is sealed, if there is one.
pub fn encode_tokens(current: TokenHash, previous: Option<PresentedToken>) -> Vec<u8> {
    let (previous, sealed) =
        previous.map_or(([0; 32], [0; 16]), |previous| (previous.hash.0, previous.sealed_next_token.0));
    [&current.0[..], &previous, &sealed, b"0"].concat()
}

/// What `commit_send.lua` needs besides the message.
pub struct SendConditions {
    pub tag: EntryTag,
    pub limits: RoomLimits,
    pub reply_to: Option<u64>,
    pub is_owner: bool,
    pub address: Option<AddressHash>,
}

impl SendConditions {
    /// Encodes the argument of `commit_send.lua` that combines several values.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoded = encode_tag(self.tag).to_vec();
        let reply_to = self.reply_to.map_or(0, |index| index.saturating_add(1));
        put_numbers(&mut encoded, [self.limits.messages, self.limits.events, reply_to]);
        encoded.extend(encode_mark(self.is_owner, self.address));
        encoded
    }
}

/// Encodes the last argument of `send.lua`, which combines several values.
pub fn encode_send(admission: &Admission, conditions: &SendConditions) -> Vec<u8> {
    let mut encoded = encode_tokens(admission.next_token, admission.presented);
    put_numbers(&mut encoded, [admission.keep_until.as_millis()]);
    encoded.extend(conditions.encode());
    encoded.extend(admission.register_as.as_ref().map_or("", |name| name.as_str()).bytes());
    encoded
}

/// Encodes a user with its tokens, as `authenticate.lua` does.
pub fn encode_user_record(record: &UserRecord) -> Vec<u8> {
    let mut encoded = encode_tokens(record.current, record.previous);
    put_numbers(&mut encoded, [record.expires_at.as_millis()]);
    encoded.extend(record.user.display_name.as_str().bytes());
    encoded
}

/// Encodes an entry tag.
pub const fn encode_tag(tag: EntryTag) -> [u8; 8] {
    tag.0.to_be_bytes()
}

/// Takes an entry tag.
pub fn take_tag(encoded: &mut &[u8]) -> Result<EntryTag, DecodeError> {
    take(encoded).map(|tag| EntryTag(u64::from_be_bytes(tag)))
}

/// The greatest number has six bytes, because a number in Lua holds little more.
pub const MAX_NUMBER: u64 = (1 << 48) - 1;

/// Appends numbers of six bytes.
pub fn put_numbers<const N: usize>(encoded: &mut Vec<u8>, numbers: [u64; N]) {
    numbers.iter().for_each(|number| encoded.extend(&number.min(&MAX_NUMBER).to_be_bytes()[2..]));
}

/// Takes numbers of six bytes.
pub fn take_numbers<const N: usize>(encoded: &mut &[u8]) -> Result<[u64; N], DecodeError> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        let [a, b, c, d, e, f] = take(encoded)?;
        *number = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    }
    Ok(numbers)
}

/// Takes bytes.
pub fn take<const N: usize>(encoded: &mut &[u8]) -> Result<[u8; N], DecodeError> {
    let (bytes, rest) = encoded.split_first_chunk().ok_or(DecodeError("a number"))?;
    *encoded = rest;
    Ok(*bytes)
}

/// Decodes a sealed token.
pub fn decode_sealed(bytes: &[u8]) -> Result<SealedToken, DecodeError> {
    bytes.try_into().map(SealedToken).map_err(|_| DecodeError("a sealed token"))
}

/// Decodes a decimal number.
pub fn decode_number(digits: &str) -> Result<u64, DecodeError> {
    digits.parse().map_err(|_| DecodeError("a number"))
}

/// Decodes milliseconds since the epoch.
pub fn decode_timestamp(digits: &str) -> Result<Timestamp, DecodeError> {
    decode_number(digits).map(Timestamp::from_millis)
}

/// Decodes a time that may be absent.
pub fn optional_time(millis: u64) -> Option<Timestamp> {
    (millis > 0).then(|| Timestamp::from_millis(millis))
}
