//! Taking over what another store kept. A room is written aside, page by page, under names nobody reads, and then appears
//! whole in one step; whoever is interrupted begins the room anew. Nothing that is there is ever replaced.

use redis::{Script, ScriptInvocation};

use crate::critical_tasks::CriticalTasks;
use crate::domain::event::{Event, EventKind};
use crate::domain::message::Message;
use crate::domain::room::RoomId;
use crate::domain::user::User;
use crate::store::migration::{MoveOutcome, UserRecord};
use crate::store::redis::codec::{self, Reply};
use crate::store::redis::keys::{Keys, list_entry};
use crate::store::redis::link::connection::Commands;
use crate::store::redis::link::settings::Settings;
use crate::store::redis::rooms::list_part_for;
use crate::store::{RoomState, StoreError};

/// What a room has beside its state.
const PARTS: [&str; 5] = ["messages", "log", "once", "chatters", "roster"];

/// A Redis that is written to.
pub struct Import {
    commands: Commands,
    keys: Keys,
    scripts: Scripts,
}

struct Scripts {
    user: Script,
    compare: Script,
    stage: Script,
    reveal: Script,
    list: Script,
}

macro_rules! script {
    ($file:literal) => {
        Script::new(concat!(include_str!("scripts/common.lua"), include_str!($file)))
    };
}

impl Import {
    /// Connects. [`StoreError::Unavailable`] when Redis cannot be reached in time or refuses the password.
    pub async fn connect(settings: &Settings) -> Result<Self, StoreError> {
        let scripts = Scripts {
            user: script!("scripts/import_user.lua"),
            compare: script!("scripts/import_compare.lua"),
            stage: script!("scripts/import_stage.lua"),
            reveal: script!("scripts/import_reveal.lua"),
            list: script!("scripts/list_room.lua"),
        };
        let commands = Commands::connect(settings, CriticalTasks::default()).await?;
        Ok(Self { commands, keys: Keys::new(settings.prefix().to_owned()), scripts })
    }

    /// Makes a user known.
    pub async fn user(&self, user: &UserRecord) -> Result<MoveOutcome, StoreError> {
        let mut call = self.scripts.user.key(self.keys.user(&user.user.id));
        call.arg(user.user.display_name.as_str())
            .arg(hex::encode(user.current.0))
            .arg(user.previous.map_or_else(String::new, |previous| hex::encode(previous.hash.0)))
            .arg(user.previous.map_or_else(String::new, |previous| hex::encode(previous.sealed_next_token.0)))
            .arg(user.expires_at.as_millis());
        outcome(&self.run(&call).await?)?.ok_or_else(unexpected)
    }

    /// Whether the room is there, whole, and the same, except that it may have gone on since; `None` when no room is.
    pub async fn find(&self, state: &RoomState) -> Result<Option<MoveOutcome>, StoreError> {
        let mut call = self.scripts.compare.prepare_invoke();
        for name in ["room", "messages", "log", "chatters", "roster"] {
            call.key(self.keys.of_room(state.room.id, name));
        }
        pass_state(&mut call, state);
        outcome(&self.run(&call).await?)
    }

    /// Forgets what an interrupted run left aside of a room.
    pub async fn begin(&self, room: RoomId) -> Result<(), StoreError> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(PARTS.map(|part| self.aside(room, part)).as_slice());
        self.commands.query(&unlink).await.map(drop)
    }

    /// Writes messages aside.
    pub async fn messages(&self, state: &RoomState, messages: &[Message]) -> Result<(), StoreError> {
        let mut call = self.stage(state, "messages");
        for message in messages {
            let index = message.id.index;
            call.arg(index).arg(codec::write_message(message));
            if let Some(text) = &message.text {
                call.arg(format!("{index}t")).arg(text.as_str());
            }
        }
        self.run(&call).await.map(drop)
    }

    /// Writes users aside, in order.
    pub async fn room_users(&self, state: &RoomState, users: &[User]) -> Result<(), StoreError> {
        let mut call = self.stage(state, "chatters");
        for user in users {
            call.arg(user.id.as_str()).arg(codec::write_chatter(user));
        }
        self.run(&call).await.map(drop)
    }

    /// Writes log entries aside, in order, and by which names of their senders they are known.
    pub async fn log(&self, state: &RoomState, events: &[Event]) -> Result<(), StoreError> {
        let mut call = self.stage(state, "log");
        for event in events {
            let Message { author, client_message_id, .. } = &event.message;
            let name = client_message_id.as_ref().filter(|_| event.kind == EventKind::Sent);
            call.arg(event.position.seq.0)
                .arg(codec::write_kind(event.kind))
                .arg(event.message.id.index)
                .arg(event.at.as_millis())
                .arg(codec::write_tag(event.position.tag))
                .arg(name.map_or_else(String::new, |name| format!("{}\n{}", author.id.as_str(), name.as_str())));
        }
        self.run(&call).await.map(drop)
    }

    /// Lets the room that was written aside appear.
    pub async fn reveal(&self, state: &RoomState) -> Result<MoveOutcome, StoreError> {
        let mut call = self.scripts.reveal.key(self.keys.of_room(state.room.id, "room"));
        for part in PARTS {
            call.key(self.aside(state.room.id, part));
        }
        for part in PARTS {
            call.key(self.keys.of_room(state.room.id, part));
        }
        pass_state(&mut call, state);
        outcome(&self.run(&call).await?)?.ok_or_else(unexpected)
    }

    /// Puts a room on the list of rooms, on which it may be already.
    pub async fn list(&self, state: &RoomState) -> Result<(), StoreError> {
        let part = list_part_for(&self.commands, &self.keys, state.room.id);
        let mut call = self.scripts.list.key(&self.keys.rooms(part)[..]);
        call.arg(list_entry(state.room.created_at, state.room.id)).arg(state.room.expires_at.as_millis());
        self.run(&call).await.map(drop)
    }

    /// A call that writes one kind of thing aside.
    fn stage(&self, state: &RoomState, what: &str) -> ScriptInvocation<'_> {
        let mut call = self.scripts.stage.prepare_invoke();
        for part in PARTS {
            call.key(self.aside(state.room.id, part));
        }
        call.arg(state.room.expires_at.as_millis()).arg(what);
        call
    }

    fn aside(&self, room: RoomId, part: &str) -> String {
        self.keys.of_room(room, &format!("aside:{part}"))
    }

    async fn run(&self, call: &ScriptInvocation<'_>) -> Result<Reply, StoreError> {
        Reply::of(self.commands.run(call).await?)
    }
}

fn pass_state(call: &mut ScriptInvocation<'_>, state: &RoomState) {
    call.arg(state.room.code.reveal())
        .arg(state.room.created_at.as_millis())
        .arg(state.room.expires_at.as_millis())
        .arg(state.head.seq.0)
        .arg(codec::write_tag(state.head.tag))
        .arg(state.message_count)
        .arg(state.user_count);
}

fn outcome(reply: &Reply) -> Result<Option<MoveOutcome>, StoreError> {
    match reply.outcome() {
        "moved" => Ok(Some(MoveOutcome::Copied)),
        "there" => Ok(Some(MoveOutcome::AlreadyThere)),
        "differs" => Ok(Some(MoveOutcome::Differs)),
        "ended" => Ok(Some(MoveOutcome::Expired)),
        "absent" => Ok(None),
        _ => Err(reply.unknown()),
    }
}

fn unexpected() -> StoreError {
    StoreError::Corrupt("what was written is absent".into())
}
