//! Throws bytes at whatever reads bytes from outside, each target by the door that such bytes come in by.
//!
//! `TARGET` names the target; `corpus/<target>` holds what it begins with. Whatever panics, or is answered with a fault of
//! ours, is a finding. `run.sh` says how to build and run this.

#![no_main]

mod front_door;
mod http;
mod one_room;
mod readers;
mod socket;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

type Target = fn(&[u8]);

const TARGETS: &[(&str, Target)] = &[
    ("accept", http::accept),
    ("cursor", readers::cursor),
    ("document", http::document),
    ("graphql_body", http::graphql_body),
    ("legacy_body", http::legacy_body),
    ("query_string", http::query_string),
    ("ws_frames", socket::frames),
    ("ws_messages", socket::messages),
];

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("TARGET").unwrap_or_default();
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = found.unwrap_or_else(|| panic!("TARGET must be one of the folders of the corpus, not {name:?}"));
    *target
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
