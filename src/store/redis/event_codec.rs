//! Encodes and decodes log entries, events and messages.
//!
//! After its numbers, a message has one line for each field, which begins with the field's letter, an empty line, and the text.
//! Fields with unknown letters are passed over, and so are unknown kinds of entries, as `scripts/formats.lua` explains.

use crate::domain::ban::{Ban, BanReason};
use crate::domain::event::{Event, EventKind};
use crate::domain::message::{ClientMessageId, Message, MessageId, MessageText};
use crate::domain::position::{EntryTag, Position, Seq};
use crate::domain::reaction::{Emoji, ReactionCount};
use crate::domain::room::{Room, RoomId, RoomSettings};
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{AvatarUrl, DisplayName, Role, User, UserId};
use crate::store::redis::codec::{
    self, DecodeError, encode_tag, optional_time, put_numbers, take, take_numbers, take_tag,
};

/// An entry of a room's log.
pub struct LogEntry {
    /// A letter, maybe one that only newer versions know.
    kind: u8,
    pub position: Position,
    pub at: Timestamp,
    /// The index of its message.
    pub index: u64,
}

impl LogEntry {
    /// Whether the entry is about a message.
    pub fn has_message(&self) -> bool {
        b"sedr".contains(&self.kind)
    }

    /// The event of this entry, which is about a message.
    pub fn into_message_event(self, room: RoomId, message: Message) -> Event {
        let kind = match self.kind {
            b's' => EventKind::Sent(message),
            b'e' => EventKind::Edited(message),
            b'd' => EventKind::Deleted(message),
            b'r' => EventKind::ReactionsChanged(message),
            _ => EventKind::Unknown,
        };
        self.into_event(room, kind)
    }

    /// The event of this entry, which is not about a message.
    pub fn into_other_event(self, room: RoomId, payload: &[u8]) -> Result<Event, DecodeError> {
        let kind = match self.kind {
            b'u' => EventKind::RoomUpdated(decode_settings(payload)?),
            b'b' => EventKind::UserBanned(decode_ban(self.at, payload)?),
            b'n' => EventKind::UserUnbanned(decode_lines(payload)?.1),
            _ => EventKind::Unknown,
        };
        Ok(self.into_event(room, kind))
    }

    fn into_event(self, room: RoomId, kind: EventKind) -> Event {
        Event { room, position: self.position, at: self.at, kind }
    }
}

/// The length of an encoded log entry without its payload.
pub const ENTRY_LENGTH: usize = 27;

/// Encodes the entry before all others in the log of a room.
pub fn encode_first_entry(room: &Room) -> Vec<u8> {
    encode_entry(b'-', Position::START, room.created_at, 0)
}

/// Encodes the entry of an event. `None` if no log has one.
pub fn encode_event_entry(event: &Event) -> Option<Vec<u8>> {
    let kind = match &event.kind {
        EventKind::Sent(_) => b's',
        EventKind::Edited(_) => b'e',
        EventKind::Deleted(_) => b'd',
        EventKind::ReactionsChanged(_) => b'r',
        EventKind::RoomUpdated(_) => b'u',
        EventKind::UserBanned(_) => b'b',
        EventKind::UserUnbanned(_) => b'n',
        // What it says is unknown. Its number and its tag stay, so that cursors do.
        EventKind::Unknown => b'-',
        EventKind::RoomEnded => return None,
    };
    let index = event.message().map_or(0, |message| message.id.index);
    let mut encoded = encode_entry(kind, event.position, event.at, index);
    match &event.kind {
        EventKind::RoomUpdated(settings) => encoded.extend(encode_settings(settings)),
        EventKind::UserBanned(ban) => encoded.extend(encode_ban(ban)),
        EventKind::UserUnbanned(user) => encoded.extend(format!("{}\n", codec::encode_user(user)).bytes()),
        _ => {}
    }
    Some(encoded)
}

fn encode_entry(kind: u8, position: Position, at: Timestamp, index: u64) -> Vec<u8> {
    let mut encoded = vec![kind];
    put_numbers(&mut encoded, [position.seq.0, at.as_millis(), index]);
    encoded.extend(encode_tag(position.tag));
    encoded
}

/// Decodes a log entry. Returns it with the bytes behind it.
pub fn decode_entry(encoded: &[u8]) -> Result<(LogEntry, &[u8]), DecodeError> {
    let (kind, mut rest) = encoded.split_first().ok_or(DecodeError("a log entry"))?;
    let [seq, at, index] = take_numbers(&mut rest)?;
    let position = Position { seq: Seq(seq), tag: take_tag(&mut rest)? };
    Ok((LogEntry { kind: *kind, position, at: Timestamp::from_millis(at), index }, rest))
}

/// Decodes a published event, as `scripts/formats.lua` describes it.
pub fn decode_event(room: RoomId, encoded: &[u8]) -> Result<Event, DecodeError> {
    let (entry, payload) = decode_entry(encoded)?;
    if entry.has_message() {
        let message = if entry.kind == b'r' { payload } else { encoded };
        Ok(entry.into_message_event(room, decode_message(room, message)?.message))
    } else {
        entry.into_other_event(room, payload)
    }
}

fn encode_settings(settings: &RoomSettings) -> Vec<u8> {
    let RoomSettings { title, listed, capacity, slow_mode_seconds, locked } = settings;
    let mut encoded = vec![u8::from(*listed)];
    encoded.extend(capacity.unwrap_or(0).to_be_bytes());
    encoded.extend(slow_mode_seconds.to_be_bytes());
    encoded.push(u8::from(*locked));
    encoded.extend(format!("{}\n", codec::encode_title(title.as_ref())).bytes());
    encoded
}

fn decode_settings(mut encoded: &[u8]) -> Result<RoomSettings, DecodeError> {
    let [listed] = take(&mut encoded)?;
    let capacity = codec::decode_capacity(take(&mut encoded)?);
    let slow_mode_seconds = u32::from_be_bytes(take(&mut encoded)?);
    let [locked] = take(&mut encoded)?;
    let lines = str::from_utf8(encoded).map_err(|_| DecodeError("settings"))?;
    let title = codec::decode_title(codec::first_line(lines));
    Ok(RoomSettings { title, listed: listed == 1, capacity, slow_mode_seconds, locked: locked == 1 })
}

fn encode_ban(ban: &Ban) -> Vec<u8> {
    let mut encoded = Vec::new();
    put_numbers(&mut encoded, [ban.until.map_or(0, Timestamp::as_millis)]);
    let reason = ban.reason.as_ref().map_or("", |reason| reason.as_str());
    encoded.extend(format!("{}\n{reason}\n", codec::encode_user(&ban.user)).bytes());
    encoded
}

fn decode_ban(at: Timestamp, mut encoded: &[u8]) -> Result<Ban, DecodeError> {
    let [until] = take_numbers(&mut encoded)?;
    let (reason, user) = decode_lines(encoded)?;
    Ok(Ban { user, at, until: optional_time(until), reason: decode_reason(reason) })
}

/// Decodes the reason of a ban.
pub fn decode_reason(encoded: &str) -> Option<BanReason> {
    let reason = codec::first_line(encoded);
    (!reason.is_empty()).then(|| BanReason::from_stored(reason.to_owned()))
}

/// Decodes a user, and returns the line behind it, too.
fn decode_lines(encoded: &[u8]) -> Result<(&str, User), DecodeError> {
    const ERROR: DecodeError = DecodeError("a user");
    let lines = str::from_utf8(encoded).map_err(|_| ERROR)?;
    let mut ends = lines.match_indices('\n').map(|(end, _)| end);
    let end = ends.nth(2).ok_or(ERROR)?;
    let user = codec::decode_user(&lines[..end])?;
    Ok((codec::first_line(&lines[end + 1..]), user))
}

/// A message, and what only this store knows of it.
pub struct StoredMessage {
    pub message: Message,
    /// How often the reactions in the room had changed when those to this message changed last.
    pub room_reaction_changes: u64,
}

/// What an import knows of a message, beyond the [`Message`].
#[derive(Clone, Copy, Debug, Default)]
pub struct MessageDetails {
    pub edits: u32,
    /// The last log entry about its reactions.
    pub reactions_logged_at: Option<Timestamp>,
}

/// Encodes a message of a room whose reactions have changed `room_reaction_changes` times. The tag of its last change is
/// unknown here; nothing reads it from a message.
pub fn encode_message(message: &Message, details: MessageDetails, room_reaction_changes: u64) -> Vec<u8> {
    let Message { created_at, edited_at, deleted_at, .. } = message;
    let (kind, at) = match (deleted_at, edited_at) {
        (Some(at), _) => (b'd', at),
        (None, Some(at)) => (b'e', at),
        (None, None) => (b's', created_at),
    };
    let position = Position { seq: message.revision, tag: EntryTag::default() };
    let mut encoded = encode_entry(kind, position, *at, message.id.index);
    if kind != b's' {
        let optional = |at: &Option<Timestamp>| at.map_or(0, Timestamp::as_millis);
        put_numbers(&mut encoded, [created_at.as_millis(), optional(edited_at), optional(deleted_at)]);
        encoded.extend(details.edits.to_be_bytes());
    }
    let author = &message.author;
    let mut fields = format!("n{}\n", author.display_name.as_str());
    if message.author_role == Role::Owner {
        fields += "o\n";
    }
    let (avatar_url, client_message_id) = (author.avatar_url.as_ref(), message.client_message_id.as_ref());
    fields += &encode_fields(&author.id, avatar_url, client_message_id, message.reply_to);
    if let Some(role) = message.deleted_by {
        fields += &format!("d{}\n", char::from(codec::encode_role(role)));
    }
    if message.reaction_changes > 0 {
        let logged_at = details.reactions_logged_at.map_or(0, Timestamp::as_millis);
        fields += &format!("k{} {room_reaction_changes} {logged_at}\n", message.reaction_changes);
        for ReactionCount { emoji, count } in &message.reactions {
            fields += &format!("e{count} {}\n", emoji.as_str());
        }
    }
    let text = message.text.as_ref().map_or("", |text| text.as_str());
    encoded.extend(format!("{fields}\n{text}").bytes());
    encoded
}

/// Encodes the fields of a new message and its text, as `commit_send.lua` takes them: without name and role.
pub fn encode_new_message(
    author: &UserId,
    avatar_url: Option<&AvatarUrl>,
    client_message_id: Option<&ClientMessageId>,
    reply_to: Option<u64>,
    text: &MessageText,
) -> String {
    format!("{}\n{}", encode_fields(author, avatar_url, client_message_id, reply_to), text.as_str())
}

fn encode_fields(
    author: &UserId,
    avatar_url: Option<&AvatarUrl>,
    client_message_id: Option<&ClientMessageId>,
    reply_to: Option<u64>,
) -> String {
    let mut fields = format!("a{}\n", author.as_str());
    if let Some(url) = avatar_url {
        fields += &format!("i{}\n", url.as_str());
    }
    if let Some(id) = client_message_id {
        fields += &format!("c{}\n", id.as_str());
    }
    if let Some(index) = reply_to {
        fields += &format!("p{index}\n");
    }
    #[cfg(feature = "test-next-version")]
    {
        fields += crate::store::redis::next_version::MESSAGE_FIELDS;
    }
    fields
}

/// The lines of a message before its text.
#[derive(Default)]
struct Fields<'a> {
    author: Option<&'a str>,
    name: Option<&'a str>,
    avatar_url: Option<&'a str>,
    author_role: Role,
    client_message_id: Option<&'a str>,
    reply_to: Option<u64>,
    deleted_by: Option<Role>,
    reactions: Vec<ReactionCount>,
    reaction_changes: u64,
    room_reaction_changes: u64,
}

impl<'a> Fields<'a> {
    /// Decodes the fields. Returns them with the text.
    fn decode(mut encoded: &'a str) -> Result<(Self, &'a str), DecodeError> {
        let mut fields = Self::default();
        loop {
            let (line, rest) = encoded.split_once('\n').ok_or(INVALID_MESSAGE)?;
            encoded = rest;
            let Some(letter) = line.chars().next() else { return Ok((fields, encoded)) };
            let value = &line[letter.len_utf8()..];
            match letter {
                'a' => fields.author = Some(value),
                'n' => fields.name = Some(value),
                'i' => fields.avatar_url = Some(value),
                'o' => fields.author_role = Role::Owner,
                'c' => fields.client_message_id = Some(value),
                'p' => fields.reply_to = Some(codec::decode_number(value)?),
                'd' => fields.deleted_by = Some(codec::decode_role(value.as_bytes())?),
                'k' => {
                    let mut numbers = value.split(' ').map(codec::decode_number);
                    let mut next = || numbers.next().ok_or(INVALID_MESSAGE)?;
                    (fields.reaction_changes, fields.room_reaction_changes) = (next()?, next()?);
                }
                'e' => {
                    let (count, emoji) = value.split_once(' ').ok_or(INVALID_MESSAGE)?;
                    let count = u32::try_from(codec::decode_number(count)?).unwrap_or(u32::MAX);
                    fields.reactions.push(ReactionCount { emoji: Emoji::from_stored(emoji.to_owned()), count });
                }
                _ => {}
            }
        }
    }

    fn author(&self) -> Result<User, DecodeError> {
        Ok(User {
            id: UserId::from_stored(self.author.ok_or(INVALID_MESSAGE)?.to_owned()),
            display_name: DisplayName::from_stored(self.name.ok_or(INVALID_MESSAGE)?.to_owned()),
            avatar_url: self.avatar_url.map(|url| AvatarUrl::from_stored(url.to_owned())),
        })
    }
}

const INVALID_MESSAGE: DecodeError = DecodeError("a message");

/// Decodes a message.
pub fn decode_message(room: RoomId, encoded: &[u8]) -> Result<StoredMessage, DecodeError> {
    let (entry, mut encoded) = decode_entry(encoded)?;
    let [mut created_at, mut edited_at, mut deleted_at] = [entry.at.as_millis(), 0, 0];
    if entry.kind != b's' {
        [created_at, edited_at, deleted_at] = take_numbers(&mut encoded)?;
        // The number of edits is for the scripts.
        let _: [u8; 4] = take(&mut encoded)?;
    }
    let (mut fields, text) = Fields::decode(str::from_utf8(encoded).map_err(|_| INVALID_MESSAGE)?)?;
    fields.reactions.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.emoji.cmp(&other.emoji)));
    let message = Message {
        id: MessageId { room, index: entry.index },
        author: fields.author()?,
        author_role: fields.author_role,
        text: (deleted_at == 0).then(|| MessageText::from_stored(text.to_owned())),
        created_at: Timestamp::from_millis(created_at),
        edited_at: optional_time(edited_at),
        deleted_at: optional_time(deleted_at),
        deleted_by: fields.deleted_by,
        client_message_id: fields.client_message_id.map(|id| ClientMessageId::from_stored(id.to_owned())),
        reply_to: fields.reply_to,
        reactions: fields.reactions,
        reaction_changes: fields.reaction_changes,
        revision: entry.position.seq,
    };
    Ok(StoredMessage { message, room_reaction_changes: fields.room_reaction_changes })
}
