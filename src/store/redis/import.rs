//! Imports the data of another store. A room is staged page by page under keys that no server reads, and then revealed in one
//! step. After an interruption the room is staged again. Existing data is never replaced.

use redis::ToRedisArgs;

use crate::domain::event::{Event, EventKind};
use crate::domain::message::Message;
use crate::domain::room::RoomId;
use crate::domain::user::User;
use crate::store::redis::codec::Counts;
use crate::store::redis::event_codec::MessageDetails;
use crate::store::redis::keys::ROOM_PARTS;
use crate::store::redis::link::script::{Script, ScriptCall};
use crate::store::redis::link::settings::Settings;
use crate::store::redis::scripts::script;
use crate::store::redis::{RedisStore, codec, event_codec};
use crate::store::{RoomState, StoreError, UserRecord};

/// The store that takes the data.
pub struct Import {
    store: RedisStore,
    user: Script,
    compare: Script,
    stage: Script,
    reveal: Script,
}

/// The outcome of importing a room or a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportOutcome {
    /// It was copied.
    Copied,
    /// The target already had the same.
    AlreadyThere,
    /// The target has a different one under the same id, which was left as it is.
    Differs,
    /// It has expired by the clock of one of the two stores.
    Expired,
}

impl Import {
    /// Connects. [`StoreError::Unavailable`] when Redis cannot be reached in time or rejects the login.
    pub async fn connect(settings: Settings) -> Result<Self, StoreError> {
        Ok(Self {
            store: RedisStore::connect(settings).await?,
            user: script!("scripts/import_user.lua"),
            compare: script!("scripts/import_compare.lua"),
            stage: script!("scripts/import_stage.lua"),
            reveal: script!("scripts/import_reveal.lua"),
        })
    }

    /// Imports a user.
    pub async fn import_user(&self, user: &UserRecord) -> Result<ImportOutcome, StoreError> {
        let mut call = self.user.call([self.store.inner.keys.user(&user.user.id)]);
        call.arg(codec::encode_user_record(user)).arg(user.expires_at.as_millis());
        self.run(&call).await?.ok_or_else(unexpected_absence)
    }

    /// Compares a room that was imported earlier, and may have grown since, with its source. `None` if the room is absent.
    pub async fn compare(&self, state: &RoomState) -> Result<Option<ImportOutcome>, StoreError> {
        let mut call = self.store.on_room(&self.compare, state.room.id, &ROOM_PARTS);
        self.run(call.arg(codec::encode_state(state, Counts::default())).arg(encode_about(state))).await
    }

    /// Removes what an interrupted import has staged of a room, and stages the beginning of its log.
    pub async fn begin_staging(&self, state: &RoomState) -> Result<(), StoreError> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(ROOM_PARTS.map(|part| self.staged_key(state.room.id, part)).as_slice());
        self.store.inner.commands.query(&unlink).await?;
        self.stage(state, "log", [event_codec::encode_first_entry(&state.room)]).await
    }

    /// Stages messages, in order. Returns how many of them are not deleted.
    pub async fn stage_messages(&self, state: &RoomState, messages: &[Message]) -> Result<u64, StoreError> {
        self.stage(
            state,
            "messages",
            messages
                .iter()
                .map(|message| event_codec::encode_message(message, MessageDetails::default(), state.reaction_changes)),
        )
        .await?;
        Ok(messages.iter().filter(|message| message.text.is_some()).count() as u64)
    }

    /// Stages users, in order, of which the first has the number `first`.
    pub async fn stage_users(&self, state: &RoomState, first: u64, users: &[User]) -> Result<(), StoreError> {
        let fields = (first..).zip(users).flat_map(|(number, user)| {
            [codec::user_field(&user.id), number.to_string(), format!("n{number}"), codec::encode_user(user)]
        });
        self.stage(state, "room", fields).await
    }

    /// Stages log entries, in order, with the client message ids of their sends.
    pub async fn stage_log(&self, state: &RoomState, events: &[Event]) -> Result<(), StoreError> {
        self.stage(state, "log", events.iter().filter_map(event_codec::encode_event_entry)).await?;
        let fields = events.iter().filter_map(|event| {
            let EventKind::Sent(Message { author, client_message_id, .. }) = &event.kind else { return None };
            let field = codec::send_field(&author.id, client_message_id.as_ref()?);
            Some([field, event.position.seq.0.to_string()])
        });
        self.stage(state, "room", fields.flatten()).await
    }

    /// Reveals a staged room with this many messages that are not deleted.
    pub async fn reveal(&self, state: &RoomState, live: u64) -> Result<ImportOutcome, StoreError> {
        let staged = ROOM_PARTS.map(|part| self.staged_key(state.room.id, part));
        let revealed = ROOM_PARTS.map(|part| self.store.inner.keys.of_room(state.room.id, part));
        let mut call = self.reveal.call(staged.into_iter().chain(revealed));
        let counts = Counts { reserved: live, ..Counts::default() };
        call.arg(codec::encode_state(state, counts)).arg(encode_about(state));
        self.run(&call).await?.ok_or_else(unexpected_absence)
    }

    /// Adds a room to the list of rooms. Idempotent.
    pub async fn list_room(&self, state: &RoomState) -> Result<(), StoreError> {
        self.store.list_room(&state.room).await
    }

    /// Appends to a staged part of a room.
    async fn stage(
        &self,
        state: &RoomState,
        part: &str,
        values: impl IntoIterator<Item = impl ToRedisArgs>,
    ) -> Result<(), StoreError> {
        let mut call = self.stage.call([self.staged_key(state.room.id, part)]);
        call.arg(state.room.expires_at.as_millis()).arg(if part == "room" { "HSET" } else { "RPUSH" });
        let values: Vec<_> = values.into_iter().collect();
        if values.is_empty() { Ok(()) } else { self.store.run(call.arg(values)).await.map(drop) }
    }

    fn staged_key(&self, room: RoomId, part: &str) -> String {
        self.store.inner.keys.of_room(room, &format!("aside:{part}"))
    }

    /// Runs a script. `None` means that the room to compare is absent.
    async fn run(&self, call: &ScriptCall<'_>) -> Result<Option<ImportOutcome>, StoreError> {
        let reply = self.store.run(call).await?;
        match reply.outcome() {
            "moved" => Ok(Some(ImportOutcome::Copied)),
            "there" => Ok(Some(ImportOutcome::AlreadyThere)),
            "differs" => Ok(Some(ImportOutcome::Differs)),
            "ended" => Ok(Some(ImportOutcome::Expired)),
            "absent" => Ok(None),
            _ => Err(reply.unexpected_outcome()),
        }
    }
}

fn encode_about(state: &RoomState) -> Vec<u8> {
    let RoomState { room, settings, .. } = state;
    codec::encode_about(&room.code, &room.owner_token, &room.secret, settings)
}

fn unexpected_absence() -> StoreError {
    StoreError::Corrupt("imported data is absent".into())
}
