//! Imports the data of another store. A room is staged page by page under keys that no server reads, and then revealed in one
//! step. After an interruption the room is staged again. Existing data is never replaced.

use redis::{Script, ScriptInvocation};

use crate::domain::event::{Event, EventKind};
use crate::domain::message::Message;
use crate::domain::room::RoomId;
use crate::domain::user::User;
use crate::store::redis::link::settings::Settings;
use crate::store::redis::reply::Reply;
use crate::store::redis::scripts::script;
use crate::store::redis::{RedisStore, codec};
use crate::store::{RoomState, StoreError, UserRecord};

/// The keys of a room that are staged: all but the one of its state.
const STAGED_PARTS: [&str; 5] = ["messages", "log", "once", "chatters", "roster"];

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
        let mut call = self.user.key(self.store.inner.keys.user(&user.user.id));
        call.arg(user.user.display_name.as_str())
            .arg(hex::encode(user.current.0))
            .arg(user.previous.map_or_else(String::new, |previous| hex::encode(previous.hash.0)))
            .arg(user.previous.map_or_else(String::new, |previous| hex::encode(previous.sealed_next_token.0)))
            .arg(user.expires_at.as_millis());
        decode_outcome(&self.store.run(&call).await?)?.ok_or_else(unexpected_absence)
    }

    /// Compares a room that was imported earlier, and may have grown since, with its source. `None` if the room is absent.
    pub async fn compare(&self, state: &RoomState) -> Result<Option<ImportOutcome>, StoreError> {
        let parts = ["room", "messages", "log", "chatters", "roster"];
        let mut call = self.store.on_room(&self.compare, state.room.id, &parts);
        pass_state(&mut call, state);
        decode_outcome(&self.store.run(&call).await?)
    }

    /// Removes what an interrupted import has staged of a room.
    pub async fn discard_staged(&self, room: RoomId) -> Result<(), StoreError> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(STAGED_PARTS.map(|part| self.staged_key(room, part)).as_slice());
        self.store.inner.commands.query(&unlink).await.map(drop)
    }

    /// Stages messages.
    pub async fn stage_messages(&self, state: &RoomState, messages: &[Message]) -> Result<(), StoreError> {
        let mut call = self.stage(state, "messages");
        for message in messages {
            let index = message.id.index;
            call.arg(index).arg(codec::encode_message(message));
            if let Some(text) = &message.text {
                call.arg(format!("{index}t")).arg(text.as_str());
            }
        }
        self.store.run(&call).await.map(drop)
    }

    /// Stages users, in order.
    pub async fn stage_users(&self, state: &RoomState, users: &[User]) -> Result<(), StoreError> {
        let mut call = self.stage(state, "chatters");
        for user in users {
            call.arg(user.id.as_str()).arg(codec::encode_chatter(user));
        }
        self.store.run(&call).await.map(drop)
    }

    /// Stages log entries, in order, with the client message ids of their sends.
    pub async fn stage_log(&self, state: &RoomState, events: &[Event]) -> Result<(), StoreError> {
        let mut call = self.stage(state, "log");
        for event in events {
            let Message { author, client_message_id, .. } = &event.message;
            let id = client_message_id.as_ref().filter(|_| event.kind == EventKind::Sent);
            call.arg(event.position.seq.0)
                .arg(codec::encode_kind(event.kind))
                .arg(event.message.id.index)
                .arg(event.at.as_millis())
                .arg(codec::encode_tag(event.position.tag))
                .arg(id.map_or_else(String::new, |id| format!("{}\n{}", author.id.as_str(), id.as_str())));
        }
        self.store.run(&call).await.map(drop)
    }

    /// Reveals a staged room.
    pub async fn reveal(&self, state: &RoomState) -> Result<ImportOutcome, StoreError> {
        let mut call = self.reveal.key(self.store.inner.keys.of_room(state.room.id, "room"));
        for part in STAGED_PARTS {
            call.key(self.staged_key(state.room.id, part));
        }
        for part in STAGED_PARTS {
            call.key(self.store.inner.keys.of_room(state.room.id, part));
        }
        pass_state(&mut call, state);
        decode_outcome(&self.store.run(&call).await?)?.ok_or_else(unexpected_absence)
    }

    /// Adds a room to the list of rooms. Idempotent.
    pub async fn list_room(&self, state: &RoomState) -> Result<(), StoreError> {
        self.store.list_room(&state.room).await
    }

    /// A call that stages data of one kind.
    fn stage(&self, state: &RoomState, kind: &str) -> ScriptInvocation<'_> {
        let mut call = self.stage.prepare_invoke();
        for part in STAGED_PARTS {
            call.key(self.staged_key(state.room.id, part));
        }
        call.arg(state.room.expires_at.as_millis()).arg(kind);
        call
    }

    fn staged_key(&self, room: RoomId, part: &str) -> String {
        self.store.inner.keys.of_room(room, &format!("aside:{part}"))
    }
}

fn pass_state(call: &mut ScriptInvocation<'_>, state: &RoomState) {
    call.arg(state.room.code.reveal())
        .arg(state.room.created_at.as_millis())
        .arg(state.room.expires_at.as_millis())
        .arg(state.head.seq.0)
        .arg(codec::encode_tag(state.head.tag))
        .arg(state.message_count)
        .arg(state.user_count);
}

fn decode_outcome(reply: &Reply) -> Result<Option<ImportOutcome>, StoreError> {
    match reply.outcome() {
        "moved" => Ok(Some(ImportOutcome::Copied)),
        "there" => Ok(Some(ImportOutcome::AlreadyThere)),
        "differs" => Ok(Some(ImportOutcome::Differs)),
        "ended" => Ok(Some(ImportOutcome::Expired)),
        "absent" => Ok(None),
        _ => Err(reply.unexpected_outcome()),
    }
}

fn unexpected_absence() -> StoreError {
    StoreError::Corrupt("imported data is absent".into())
}
