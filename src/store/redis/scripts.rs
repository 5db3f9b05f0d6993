//! The scripts: one for every operation, each behind what several share.

use redis::Script;

/// All of them, ready to be run.
pub(super) struct Scripts {
    pub create_room: Script,
    pub list_room: Script,
    pub list: Script,
    pub room_states: Script,
    pub snapshot: Script,
    pub chatters: Script,
    pub commit: Script,
    pub read_log: Script,
    pub admit: Script,
    pub withdraw: Script,
    /// For a single Redis.
    pub send: Script,
    pub report_viewers: Script,
    pub viewers_elsewhere: Script,
    pub strike: Script,
    pub forgive: Script,
    pub guess: Script,
    pub welcome: Script,
}

macro_rules! script {
    ($($file:literal),+) => { Script::new(script_text!($($file),+)) };
}

macro_rules! script_text {
    ($($file:literal),+) => { concat!(include_str!("scripts/common.lua"), $(include_str!($file)),+) };
}

impl Scripts {
    pub fn new(in_cluster: bool) -> Self {
        // To all of a single Redis, which may be too old to know of shards, and to one shard of a cluster.
        let announce = if in_cluster { "SPUBLISH" } else { "PUBLISH" };
        let announce = format!("local announce = '{announce}'\n");
        let send = concat!(
            include_str!("scripts/common.lua"),
            "local function admit(KEYS, ARGV)\n",
            include_str!("scripts/admit.lua"),
            "end\nlocal function commit(KEYS, ARGV)\n",
            include_str!("scripts/commit.lua"),
            "end\n",
            include_str!("scripts/send.lua"),
        );
        Self {
            create_room: script!("scripts/create_room.lua"),
            list_room: script!("scripts/list_room.lua"),
            list: script!("scripts/list.lua"),
            room_states: script!("scripts/room_states.lua"),
            snapshot: script!("scripts/window.lua", "scripts/snapshot.lua"),
            chatters: script!("scripts/window.lua", "scripts/chatters.lua"),
            commit: Script::new(&(announce.clone() + script_text!("scripts/commit.lua"))),
            send: Script::new(&(announce + send)),
            read_log: script!("scripts/read_log.lua"),
            admit: script!("scripts/admit.lua"),
            withdraw: script!("scripts/withdraw.lua"),
            report_viewers: script!("scripts/report_viewers.lua"),
            viewers_elsewhere: script!("scripts/viewers_elsewhere.lua"),
            strike: script!("scripts/strike.lua"),
            forgive: script!("scripts/forgive.lua"),
            guess: script!("scripts/guess.lua"),
            welcome: script!("scripts/welcome.lua"),
        }
    }
}
