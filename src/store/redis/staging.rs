//! Stages a room that is imported, under keys that no server reads, and reveals it in one step.

use std::collections::HashMap;

use redis::ToRedisArgs;

use crate::domain::event::{Event, EventKind};
use crate::domain::message::Message;
use crate::domain::timestamp::Timestamp;
use crate::store::redis::codec::Counts;
use crate::store::redis::event_codec::MessageDetails;
use crate::store::redis::link::script::Script;
use crate::store::redis::reply::Reply;
use crate::store::redis::{RedisStore, codec, event_codec};
use crate::store::{
    AddressHash, BanRecord, LastSent, MemberRecord, ReactionEntryTimes, ReactionRecord, RoomState, Sender, StoreError,
};

/// The keys that are imported. `import_reveal.lua` expects the first three in this order.
const PARTS: [&str; 8] = ["room", "messages", "log", "reactions", "marks", "bans", "ban_ends", "ban_addresses"];

/// Reactions per call.
const MAX_REACTIONS: usize = 500;

/// A room that is being staged.
pub struct Staging<'a> {
    store: &'a RedisStore,
    stage: &'a Script,
    reveal: &'a Script,
    state: &'a RoomState,
    counts: Counts,
    joined: u64,
    /// Until when addresses are banned; `None` for the room's life.
    banned: HashMap<AddressHash, Option<Timestamp>>,
}

impl<'a> Staging<'a> {
    /// Removes what an interrupted import has staged of a room, and stages the beginning of its log.
    pub(super) async fn begin(
        store: &'a RedisStore,
        stage: &'a Script,
        reveal: &'a Script,
        state: &'a RoomState,
    ) -> Result<Self, StoreError> {
        let (counts, joined, banned) = (Counts::default(), 0, HashMap::new());
        let staging = Self { store, stage, reveal, state, counts, joined, banned };
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(PARTS.map(|part| staging.staged_key(part)).as_slice());
        store.inner.commands.query(&unlink).await?;
        staging.stage("log", "RPUSH", [event_codec::encode_first_entry(&state.room)]).await?;
        Ok(staging)
    }

    /// Stages messages, in order, each with its number of edits, and the times of their entries about reactions.
    pub async fn messages(
        &mut self,
        messages: &[(Message, u64)],
        entries: &[ReactionEntryTimes],
    ) -> Result<(), StoreError> {
        let logged: HashMap<_, _> = entries.iter().map(|entry| (entry.message, entry.logged_at)).collect();
        let encoded = messages.iter().map(|(message, edits)| {
            let reactions_logged_at = logged.get(&message.id.index).copied();
            let edits = u32::try_from(*edits).unwrap_or(u32::MAX);
            let details = MessageDetails { edits, reactions_logged_at };
            event_codec::encode_message(message, details, self.state.reaction_changes)
        });
        self.stage("messages", "RPUSH", encoded).await?;
        let marks = entries.iter().filter_map(|entry| Some((entry.due?.as_millis(), entry.message)));
        let marks: Vec<_> = marks.collect();
        let live = messages.iter().filter(|(message, _)| message.text.is_some()).count();
        self.counts.reserved += (live + marks.len()) as u64;
        self.counts.reaction_entries += marks.len() as u64;
        self.stage("marks", "ZADD", marks).await
    }

    /// Stages who has reacted to messages.
    pub async fn reactions(&self, reactions: &[ReactionRecord]) -> Result<(), StoreError> {
        for reactions in reactions.chunks(MAX_REACTIONS) {
            let members = reactions.iter().map(|reaction| (0, codec::encode_reaction(reaction)));
            self.stage("reactions", "ZADD", members).await?;
        }
        Ok(())
    }

    /// Stages users.
    pub async fn members(&mut self, members: &[MemberRecord]) -> Result<(), StoreError> {
        self.joined += members.iter().filter(|member| member.index.is_none()).count() as u64;
        let fields = members.iter().map(|member| (codec::user_field(&member.user.id), codec::encode_member(member)));
        self.stage("room", "HSET", fields).await?;
        let numbers =
            members.iter().filter_map(|member| Some((format!("n{}", member.index?), member.user.id.as_str())));
        self.stage("room", "HSET", numbers).await
    }

    /// Stages bans.
    pub async fn bans(&mut self, bans: &[BanRecord]) -> Result<(), StoreError> {
        self.counts.bans += u32::try_from(bans.len()).unwrap_or(u32::MAX);
        let fields = bans.iter().map(|ban| (format!("b{}", ban.ban.user.id.as_str()), codec::encode_ban_record(ban)));
        self.stage("room", "HSET", fields).await?;
        self.stage("bans", "ZADD", bans.iter().map(|ban| (ban.index, ban.ban.user.id.as_str()))).await?;
        let end = |until: Option<Timestamp>| until.map_or("+inf".to_owned(), |until| until.as_millis().to_string());
        self.stage("ban_ends", "ZADD", bans.iter().map(|ban| (end(ban.ban.until), ban.ban.user.id.as_str()))).await?;
        let mut addresses = Vec::new();
        for BanRecord { ban, address, .. } in bans {
            let Some(address) = address else { continue };
            addresses.push((0, [&address.0[..], ban.user.id.as_str().as_bytes()].concat()));
            let last = self.banned.entry(*address).or_insert(ban.until);
            *last = last.and_then(|last| ban.until.map(|until| last.max(until)));
        }
        self.stage("ban_addresses", "ZADD", addresses).await
    }

    /// Stages the times of the last messages in slow mode.
    pub async fn last_sent(&self, times: &[LastSent]) -> Result<(), StoreError> {
        let fields = times.iter().map(|LastSent { sender, at }| {
            let field = match sender {
                Sender::User(user) => format!("t{}", user.as_str()).into_bytes(),
                Sender::Address(address) => [b"t\n", &address.0[..]].concat(),
            };
            (field, at.as_millis())
        });
        self.stage("room", "HSET", fields).await
    }

    /// Stages log entries, in order, with the client message ids of their sends.
    pub async fn log(&mut self, events: &[Event]) -> Result<(), StoreError> {
        let about_reactions = events.iter().filter(|event| matches!(event.kind, EventKind::ReactionsChanged(_)));
        self.counts.reaction_entries += about_reactions.count() as u64;
        self.stage("log", "RPUSH", events.iter().filter_map(event_codec::encode_event_entry)).await?;
        let fields = events.iter().filter_map(|event| {
            let EventKind::Sent(Message { author, client_message_id, .. }) = &event.kind else { return None };
            Some((codec::send_field(&author.id, client_message_id.as_ref()?), event.position.seq.0))
        });
        self.stage("room", "HSET", fields).await
    }

    /// Reveals the room.
    pub(super) async fn reveal(self) -> Result<Reply, StoreError> {
        if self.joined > 0 {
            self.stage("room", "HSET", [("joined", self.joined)]).await?;
        }
        let addresses =
            self.banned.iter().map(|(address, until)| (([b"a", &address.0[..]].concat()), codec::encode_end(*until)));
        for addresses in addresses.collect::<Vec<_>>().chunks(MAX_REACTIONS) {
            self.stage("room", "HSET", addresses).await?;
        }
        let staged = PARTS.map(|part| self.staged_key(part));
        let revealed = PARTS.map(|part| self.store.inner.keys.of_room(self.state.room.id, part));
        let mut call = self.reveal.call(staged.into_iter().chain(revealed));
        call.arg(codec::encode_state(self.state, self.counts)).arg(codec::encode_about_of(self.state));
        self.store.run(&call).await
    }

    /// Appends to a staged part of the room.
    async fn stage(
        &self,
        part: &str,
        command: &str,
        values: impl IntoIterator<Item = impl ToRedisArgs>,
    ) -> Result<(), StoreError> {
        let values: Vec<_> = values.into_iter().collect();
        if values.is_empty() {
            return Ok(());
        }
        let mut call = self.stage.call([self.staged_key(part)]);
        call.arg(self.state.room.expires_at.as_millis()).arg(command).arg(values);
        self.store.run(&call).await.map(drop)
    }

    fn staged_key(&self, part: &str) -> String {
        self.store.inner.keys.of_room(self.state.room.id, &format!("aside:{part}"))
    }
}
