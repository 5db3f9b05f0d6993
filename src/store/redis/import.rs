//! Imports the data of another store. A room is staged page by page under keys that no server reads, and then revealed in one
//! step. After an interruption the room is staged again. Existing data is never replaced.

use crate::store::redis::codec::Counts;
use crate::store::redis::keys::ROOM_PARTS;
use crate::store::redis::link::script::{Script, ScriptCall};
use crate::store::redis::link::settings::Settings;
use crate::store::redis::reply::Reply;
use crate::store::redis::scripts::script;
pub use crate::store::redis::staging::Staging;
use crate::store::redis::{RedisStore, codec};
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
        self.run(call.arg(codec::encode_state(state, Counts::default())).arg(codec::encode_about_of(state))).await
    }

    /// Begins to stage a room.
    pub async fn stage<'a>(&'a self, state: &'a RoomState) -> Result<Staging<'a>, StoreError> {
        Staging::begin(&self.store, &self.stage, &self.reveal, state).await
    }

    /// Reveals a staged room.
    pub async fn reveal(&self, staging: Staging<'_>) -> Result<ImportOutcome, StoreError> {
        decode_outcome(&staging.reveal().await?)?.ok_or_else(unexpected_absence)
    }

    /// Lists a room, or not, as it says itself. Idempotent.
    pub async fn list_room(&self, state: &RoomState) -> Result<(), StoreError> {
        self.store.follow_setting(state.room.id).await
    }

    /// Runs a script. `None` means that the room to compare is absent.
    async fn run(&self, call: &ScriptCall<'_>) -> Result<Option<ImportOutcome>, StoreError> {
        decode_outcome(&self.store.run(call).await?)
    }
}

/// `None` means that the room to compare is absent.
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
