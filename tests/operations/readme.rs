//! The first chat of the README, run as it stands there.

use std::process::Command;

use crate::support::server::Server;

/// The first shell block behind a heading of the README.
fn block(heading: &str) -> &'static str {
    let readme = include_str!("../../README.md");
    let section = readme.split(heading).nth(1).expect("the heading");
    section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a shell block")
}

#[test]
fn the_first_chat_of_the_readme_runs_as_it_stands() {
    let server = Server::embedded();
    let script = block("## A first chat").replace("127.0.0.1:8001", server.address());
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().expect("a shell");
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{complained}");
    assert!(said.contains(r#""text":"Hello, all""#) && said.contains(r#""token":""#), "{said}{complained}");
}

#[test]
fn the_two_commands_stand_at_the_top_of_the_readme() {
    let readme = include_str!("../../README.md");
    let mut commands = block("# LiveChat").lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    assert_eq!(commands.next(), Some("cargo run --release"));
    assert_eq!(commands.next(), Some("make test"));
    assert!(readme.lines().take(3).any(|line| line == "```sh"));
}
