//! Fuzz targets for all code that parses input from clients, through the same entry points as the input.
//!
//! `TARGET` names the target; `corpus/<target>` is its seed corpus. A panic or an internal error is a finding. `run.sh` builds
//! and runs the targets.

#![no_main]

mod local_server;
mod http;
mod empty_store;
mod cursors;
mod socket;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

type Target = fn(&[u8]);

const TARGETS: &[(&str, Target)] = &[
    ("accept", http::accept),
    ("cursor", cursors::cursor),
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
    let (_, target) = found.unwrap_or_else(|| panic!("TARGET must be a folder of the corpus, not {name:?}"));
    *target
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
