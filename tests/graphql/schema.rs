//! The schema definition in `schema.graphql`.

use crate::support::server::command;

#[test]
fn the_committed_schema_matches_the_code() {
    let committed = include_str!("../../schema.graphql");
    assert!(committed == livechat::graphql::sdl(), "run `make schema`: schema.graphql differs from the code");
}

#[test]
fn the_command_prints_the_schema() {
    let directory = tempfile::tempdir().expect("a directory");
    let output = command(directory.path(), &[]).arg("schema").output().expect("the command");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), livechat::graphql::sdl());
}
