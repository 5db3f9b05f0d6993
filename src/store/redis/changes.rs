//! Changes of rooms: sends, other commits, and reactions.

use std::time::Duration;

use crate::domain::limits::BANS_MAX;
use crate::domain::message::{ClientMessageId, Message, MessageText};
use crate::domain::position::EntryTag;
use crate::domain::reaction::{Emoji, REACTION_KINDS_MAX, REACTION_TOGGLES_MAX, REACTIONS_INTERVAL};
use crate::domain::room::RoomId;
use crate::domain::user::{AvatarUrl, UserId};
use crate::store::redis::codec::SendConditions;
use crate::store::redis::keys::ROOM_PARTS;
use crate::store::redis::link::script::ScriptCall;
use crate::store::redis::scripts::millis;
use crate::store::redis::{RedisStore, codec, event_codec};
use crate::store::{Admission, Change, Commit, Committed, NewMessage, Reacted, Reaction, Sent, StoreError};

const DELETION_PARTS: [&str; 5] = ["room", "messages", "log", "reactions", "marks"];
const BAN_PARTS: [&str; 6] = ["room", "messages", "log", "bans", "ban_ends", "ban_addresses"];
/// Log entries about reactions per call.
const MAX_REACTION_ENTRIES: usize = 32;
/// A longer ban ends later than any room. Its end has few enough digits for a script.
const MAX_BAN: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

impl RedisStore {
    /// See [`commit`](crate::store::Store::commit).
    pub(super) async fn commit_change(&self, commit: Commit) -> Result<Committed, StoreError> {
        let Commit { room, tag, change } = commit;
        let scripts = &self.inner.scripts;
        let tag_bytes = codec::encode_tag(tag);
        let call = match change {
            Change::Send { author, text, client_message_id, reply_to, limits } => {
                let (user, client_message_id) = (author.user, client_message_id.as_ref());
                let mut call = self.on_room(&scripts.commit_only, room, &ROOM_PARTS);
                pass_message(&mut call, &user.id, user.avatar_url.as_ref(), client_message_id, reply_to, &text);
                let (is_owner, address) = (author.is_owner, author.address);
                call.arg(SendConditions { tag, limits, reply_to, is_owner, address }.encode());
                call.arg(user.display_name.as_str()).arg(codec::encode_avatar(&user));
                let mut reply = self.run(&call).await?;
                return reply.committed_send(room, user, |message| {
                    complete(message, text, client_message_id.cloned(), reply_to);
                });
            }
            Change::Update { settings, limits } => {
                let update = async move |store: Self| store.update_and_list(room, tag, settings, limits).await;
                return self.detached(update).await;
            }
            Change::Edit { editor, index, revision, text, limits } => {
                let mut call = self.on_room(&scripts.commit_change, room, &ROOM_PARTS);
                call.arg("e").arg(&tag_bytes[..]).arg(index).arg(revision.0);
                call.arg(text.as_str()).arg(limits.events).arg(limits.edits).arg(editor.user.id.as_str());
                call.arg(codec::encode_mark(editor.is_owner, editor.address));
                call
            }
            Change::Delete { by, index, revision } => {
                let mut call = self.on_room(&scripts.commit_change, room, &DELETION_PARTS);
                call.arg("d").arg(&tag_bytes[..]).arg(index).arg(revision.0).arg(&[codec::encode_role(by)][..]);
                call
            }
            Change::Ban { user, duration, reason, limits } => {
                let mut call = self.on_room(&scripts.ban, room, &BAN_PARTS);
                call.arg("b").arg(&tag_bytes[..]).arg(limits.events).arg(user.as_str());
                call.arg(duration.map_or_else(String::new, |duration| millis(duration.min(MAX_BAN)).to_string()));
                call.arg(reason.as_ref().map_or("", |reason| reason.as_str())).arg(BANS_MAX);
                call
            }
            Change::Unban { user, limits } => {
                let mut call = self.on_room(&scripts.ban, room, &BAN_PARTS);
                call.arg("n").arg(&tag_bytes[..]).arg(limits.events).arg(user.as_str());
                call
            }
        };
        Ok(Committed::New(event_codec::decode_event(room, &self.run(&call).await?.bytes()?)?))
    }

    /// [`send`](crate::store::Store::send) where users and rooms are in one place.
    pub(super) async fn send_in_one_step(&self, admission: Admission, message: NewMessage) -> Result<Sent, StoreError> {
        let NewMessage { room, tag, text, client_message_id, reply_to, is_owner, address, limits } = message;
        let keys = ROOM_PARTS.iter().map(|name| self.inner.keys.of_room(room, name));
        let mut call = self.inner.scripts.send.call(keys.chain([self.inner.keys.user(&admission.user)]));
        pass_message(&mut call, &admission.user, None, client_message_id.as_ref(), reply_to, &text);
        let conditions = SendConditions { tag, limits, reply_to, is_owner, address };
        let mut reply = self.run(call.arg(codec::encode_send(&admission, &conditions))).await?;
        let admitted = reply.admitted(admission.user)?;
        let Some(author) = admitted.user().cloned() else { return Ok(Sent { admitted, committed: None }) };
        reply.read_outcome()?;
        let complete = |message: &mut _| complete(message, text, client_message_id, reply_to);
        let committed = reply.committed_send(room, author, complete)?;
        Ok(Sent { admitted, committed: Some(committed) })
    }

    /// See [`react`](crate::store::Store::react).
    pub(super) async fn commit_reaction(&self, reaction: Reaction) -> Result<Reacted, StoreError> {
        let Reaction { room, tag, actor, message, emoji, add, limits } = reaction;
        let mut call = self.on_room(&self.inner.scripts.react, room, &DELETION_PARTS);
        call.arg(&codec::encode_tag(tag)[..]).arg(message).arg(emoji.as_str()).arg(u8::from(add));
        call.arg(actor.user.id.as_str()).arg(codec::encode_mark(actor.is_owner, actor.address));
        call.arg(limits.events).arg(REACTION_KINDS_MAX).arg(REACTION_TOGGLES_MAX).arg(millis(REACTIONS_INTERVAL));
        let mut reply = self.run(&call).await?;
        Ok(Reacted { message: reply.message(room)?, head: reply.position()?, due: reply.optional_duration()? })
    }

    /// See [`log_reactions`](crate::store::Store::log_reactions).
    pub(super) async fn log_marked_reactions(&self, room: RoomId) -> Result<Option<Duration>, StoreError> {
        let tags: Vec<u8> = (0..MAX_REACTION_ENTRIES).flat_map(|_| codec::encode_tag(EntryTag::random())).collect();
        let mut call = self.on_room(&self.inner.scripts.log_reactions, room, &["room", "messages", "log", "marks"]);
        Ok(self.run(call.arg(tags)).await?.optional_duration()?)
    }

    /// See [`reactions_by`](crate::store::Store::reactions_by).
    pub(super) async fn read_reactions_by(
        &self,
        room: RoomId,
        user: &UserId,
        messages: &[u64],
    ) -> Result<Vec<Vec<Emoji>>, StoreError> {
        let mut call = self.on_room(&self.inner.scripts.reactions_by, room, &["room", "messages", "log", "reactions"]);
        // No index is as large as the largest number that the script can encode.
        let indexes: Vec<_> = messages.iter().map(|index| index.min(&codec::MAX_NUMBER)).collect();
        let mut reply = self.run(call.arg(user.as_str()).arg(indexes)).await?;
        let mut reactions = Vec::with_capacity(messages.len());
        for _ in messages {
            let count = reply.number()?;
            let emoji = (0..count).map(|_| Ok(Emoji::from_stored(reply.string()?)));
            reactions.push(emoji.collect::<Result<Vec<_>, StoreError>>()?);
        }
        Ok(reactions)
    }
}

/// Passes the first arguments of `commit_send`.
fn pass_message(
    call: &mut ScriptCall<'_>,
    author: &UserId,
    avatar_url: Option<&AvatarUrl>,
    client_message_id: Option<&ClientMessageId>,
    reply_to: Option<u64>,
    text: &MessageText,
) {
    call.arg(codec::user_field(author))
        .arg(client_message_id.map_or_else(String::new, |id| codec::send_field(author, id)))
        .arg(event_codec::encode_new_message(author, avatar_url, client_message_id, reply_to, text));
}

/// Completes a new message with what its author wrote.
fn complete(
    message: &mut Message,
    text: MessageText,
    client_message_id: Option<ClientMessageId>,
    reply_to: Option<u64>,
) {
    (message.text, message.client_message_id, message.reply_to) = (Some(text), client_message_id, reply_to);
}
