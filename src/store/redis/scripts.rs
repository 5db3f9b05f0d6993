//! The Lua scripts: one per operation, each after the functions of `scripts/common.lua`.

use std::time::Duration;

use redis::{Script, ScriptInvocation};

use crate::domain::page::{Take, Window};
use crate::store::Admission;

/// All scripts of the store. Those of an import are in `import`.
pub(super) struct Scripts {
    pub create_room: Script,
    pub list_room: Script,
    pub list_rooms: Script,
    pub room_states: Script,
    pub snapshot: Script,
    pub chatters: Script,
    pub commit: Script,
    pub read_log: Script,
    pub authenticate: Script,
    pub forget_new_user: Script,
    /// For a single Redis only.
    pub send: Script,
    pub report_viewers: Script,
    pub viewers_elsewhere: Script,
    pub record_failure: Script,
    pub undo_failure: Script,
    pub begin_code_attempt: Script,
    pub trust_client: Script,
}

macro_rules! script_text {
    ($($file:literal),+) => { concat!(include_str!("scripts/common.lua"), $(include_str!($file)),+) };
}

macro_rules! script {
    ($($file:literal),+) => { ::redis::Script::new($crate::store::redis::scripts::script_text!($($file),+)) };
}

pub(super) use {script, script_text};

impl Scripts {
    pub fn new(in_cluster: bool) -> Self {
        // A single Redis may be too old for sharded pub/sub.
        let announce = if in_cluster { "SPUBLISH" } else { "PUBLISH" };
        let announce = format!("local announce = '{announce}'\n");
        let send = concat!(
            include_str!("scripts/common.lua"),
            "local function authenticate(KEYS, ARGV)\n",
            include_str!("scripts/authenticate.lua"),
            "end\nlocal function commit(KEYS, ARGV)\n",
            include_str!("scripts/commit.lua"),
            "end\n",
            include_str!("scripts/send.lua"),
        );
        Self {
            create_room: script!("scripts/create_room.lua"),
            list_room: script!("scripts/list_room.lua"),
            list_rooms: script!("scripts/list_rooms.lua"),
            room_states: script!("scripts/room_states.lua"),
            snapshot: script!("scripts/window.lua", "scripts/snapshot.lua"),
            chatters: script!("scripts/window.lua", "scripts/chatters.lua"),
            commit: Script::new(&(announce.clone() + script_text!("scripts/commit.lua"))),
            send: Script::new(&(announce + send)),
            read_log: script!("scripts/read_log.lua"),
            authenticate: script!("scripts/authenticate.lua"),
            forget_new_user: script!("scripts/forget_new_user.lua"),
            report_viewers: script!("scripts/report_viewers.lua"),
            viewers_elsewhere: script!("scripts/viewers_elsewhere.lua"),
            record_failure: script!("scripts/record_failure.lua"),
            undo_failure: script!("scripts/undo_failure.lua"),
            begin_code_attempt: script!("scripts/begin_code_attempt.lua"),
            trust_client: script!("scripts/trust_client.lua"),
        }
    }
}

/// Passes the arguments of `authenticate.lua`.
pub(super) fn pass_admission<'a, 'b>(
    call: &'a mut ScriptInvocation<'b>,
    admission: &Admission,
) -> &'a mut ScriptInvocation<'b> {
    let Admission { presented, next_token, keep_until, register_as, user: _ } = admission;
    call.arg(presented.map_or_else(String::new, |presented| hex::encode(presented.hash.0)))
        .arg(presented.map_or_else(String::new, |presented| hex::encode(presented.sealed_next_token.0)))
        .arg(hex::encode(next_token.0))
        .arg(keep_until.as_millis())
        .arg(register_as.as_ref().map_or("", |name| name.as_str()))
}

/// Passes the arguments of `window.lua`.
pub(super) fn pass_window<'a, 'b>(call: &'a mut ScriptInvocation<'b>, window: Window) -> &'a mut ScriptInvocation<'b> {
    let bound = |index: Option<u64>| index.map_or_else(String::new, |index| index.to_string());
    let (end, count) = match window.take {
        Take::First(count) => ("first", count),
        Take::Last(count) => ("last", count),
    };
    call.arg(bound(window.after)).arg(bound(window.before)).arg(end).arg(count)
}

/// A duration as scripts take it.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
