//! The Lua scripts. Each begins with `scripts/formats.lua`.

use std::collections::HashMap;
use std::time::Duration;

use crate::domain::page::{Take, Window};
use crate::store::Admission;
use crate::store::redis::codec;
use crate::store::redis::link::script::{Script, ScriptCall};

/// All scripts of the store. Those of an import are in `import`.
pub(super) struct Scripts {
    pub create_room: Script,
    pub end_room: Script,
    pub list_room: Script,
    pub unlist_rooms: Script,
    pub list_rooms: Script,
    pub room_states: Script,
    pub chatters: Script,
    pub member: Script,
    pub join: Script,
    pub commit_only: Script,
    pub commit_change: Script,
    pub update_room: Script,
    pub ban: Script,
    pub read_bans: Script,
    pub react: Script,
    pub log_reactions: Script,
    pub reactions_by: Script,
    pub read_log: Script,
    pub authenticate: Script,
    pub forget_new_user: Script,
    /// For a single Redis only.
    pub send: Script,
    pub announce: Script,
    pub report_presence: Script,
    pub present_elsewhere: Script,
    pub report_viewers: Script,
    pub viewers_elsewhere: Script,
    pub record_failure: Script,
    pub undo_failure: Script,
    pub begin_code_attempt: Script,
    pub trust_client: Script,
    #[cfg(feature = "test-next-version")]
    pub next_version: Script,
}

macro_rules! script {
    ($($file:literal),+) => {
        $crate::store::redis::scripts::new_script("", &[include_str!("scripts/common.lua"), $(include_str!($file)),+])
    };
}

pub(super) use script;

/// A script that consists of `lines`, the formats and these parts.
pub(super) fn new_script(lines: &str, parts: &[&str]) -> Script {
    Script::new(inline_constants(&[lines, include_str!("scripts/formats.lua"), &parts.concat()].concat()))
}

/// Replaces constants (words in capital letters, assigned to literals) with their values. Otherwise, on each run of a script,
/// each of them that a function uses would cost Redis some 500 instructions.
fn inline_constants(code: &str) -> String {
    let mut constants = HashMap::new();
    let mut inlined = String::with_capacity(code.len());
    for line in code.lines() {
        let constant = line.strip_prefix("local ").and_then(|line| line.split_once(" = "));
        match constant {
            Some((name, value)) if is_constant(name) => {
                constants.insert(name, value);
                continue;
            }
            _ if line.trim_start().starts_with("--") => continue,
            _ => {}
        }
        for word in line.split_inclusive(|c: char| !is_word(c)) {
            let name = word.trim_end_matches(|c: char| !is_word(c));
            inlined += constants.get(name).copied().unwrap_or(name);
            inlined += &word[name.len()..];
        }
        inlined += "\n";
    }
    inlined
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_constant(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

impl Scripts {
    pub fn new(in_cluster: bool) -> Self {
        const COMMON: &str = include_str!("scripts/common.lua");
        const RULES: &str = include_str!("scripts/rules.lua");
        const CHANGES: &str = include_str!("scripts/changes.lua");
        const REACTIONS: &str = include_str!("scripts/reactions.lua");
        const BANS: &str = include_str!("scripts/bans.lua");
        const AUTHENTICATE: &str = include_str!("scripts/authenticate.lua");
        let commit_send = &include_str!("scripts/commit_send.lua").replace("--RULES\n", RULES);
        // A single Redis may be too old for sharded pub/sub.
        let announce = format!("local ANNOUNCE = '{}'\n", if in_cluster { "SPUBLISH" } else { "PUBLISH" });
        let announcing = |parts: &[&str]| new_script(&announce, parts);
        let change = |parts: &[&str]| announcing(&[COMMON, RULES, CHANGES, &parts.concat()]);
        Self {
            create_room: script!("scripts/create_room.lua"),
            end_room: announcing(&[COMMON, include_str!("scripts/end_room.lua")]),
            list_room: script!("scripts/prune_rooms.lua", "scripts/list_room.lua"),
            unlist_rooms: script!("scripts/prune_rooms.lua", "scripts/unlist_rooms.lua"),
            list_rooms: script!("scripts/list_rooms.lua"),
            room_states: script!("scripts/room_states.lua"),
            chatters: script!("scripts/chatters.lua"),
            member: script!("scripts/rules.lua", "scripts/member.lua"),
            join: change(&[include_str!("scripts/join.lua")]),
            commit_only: announcing(&[commit_send, include_str!("scripts/commit_only.lua")]),
            commit_change: change(&[REACTIONS, include_str!("scripts/commit_change.lua")]),
            update_room: change(&[include_str!("scripts/update_room.lua")]),
            ban: change(&[BANS, include_str!("scripts/ban.lua")]),
            read_bans: script!("scripts/read_bans.lua"),
            react: change(&[REACTIONS, include_str!("scripts/react.lua")]),
            log_reactions: change(&[REACTIONS, include_str!("scripts/log_reactions.lua")]),
            reactions_by: script!("scripts/reactions.lua", "scripts/reactions_by.lua"),
            send: announcing(&[AUTHENTICATE, commit_send, include_str!("scripts/send.lua")]),
            read_log: script!("scripts/read_log.lua"),
            authenticate: new_script(
                "",
                &[AUTHENTICATE, "return { authenticate(KEYS[1], ARGV[1], ARGV[2], ARGV[3], 1) }"],
            ),
            forget_new_user: script!("scripts/forget_new_user.lua"),
            announce: announcing(&[include_str!("scripts/announce.lua")]),
            report_presence: announcing(&[COMMON, include_str!("scripts/report_presence.lua")]),
            present_elsewhere: script!("scripts/present_elsewhere.lua"),
            report_viewers: script!("scripts/report_viewers.lua"),
            viewers_elsewhere: script!("scripts/viewers_elsewhere.lua"),
            record_failure: script!("scripts/record_failure.lua"),
            undo_failure: script!("scripts/undo_failure.lua"),
            begin_code_attempt: script!("scripts/begin_code_attempt.lua"),
            trust_client: script!("scripts/trust_client.lua"),
            #[cfg(feature = "test-next-version")]
            next_version: change(&[include_str!("scripts/next_version.lua")]),
        }
    }
}

/// Passes the arguments of `authenticate` in `authenticate.lua`.
pub(super) fn pass_admission<'a, 'b>(call: &'a mut ScriptCall<'b>, admission: &Admission) -> &'a mut ScriptCall<'b> {
    let Admission { presented, next_token, keep_until, register_as, user: _ } = admission;
    call.arg(codec::encode_tokens(*next_token, *presented))
        .arg(keep_until.as_millis())
        .arg(register_as.as_ref().map_or("", |name| name.as_str()))
}

/// Passes a window.
pub(super) fn pass_window<'a, 'b>(call: &'a mut ScriptCall<'b>, window: Window) -> &'a mut ScriptCall<'b> {
    let bound = |index: Option<u64>| index.map_or_else(String::new, |index| index.to_string());
    let (end, count) = match window.take {
        Take::First(count) => ("first", count),
        Take::Last(count) => ("last", count),
    };
    call.arg(bound(window.after)).arg(bound(window.before)).arg(end).arg(count)
}

/// A duration in milliseconds, as scripts expect it.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_are_replaced_as_whole_words_and_comments_removed() {
        let code = "local A_B = '>I6'\n-- A_B\nlocal x = A_B\nlocal y = f(A_B, A_BC, xA_B)\n";
        assert_eq!(inline_constants(code), "local x = '>I6'\nlocal y = f('>I6', A_BC, xA_B)\n");
    }
}
