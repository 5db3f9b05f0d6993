//! Runs the first chat of the README, and checks the commands at its top.

use std::process::Command;

use crate::support::server::Server;

/// The first shell block after a heading of the README.
fn first_shell_block(heading: &str) -> &'static str {
    let readme = include_str!("../../README.md");
    let section = readme.split(heading).nth(1).expect("the heading");
    section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a shell block")
}

#[test]
fn the_first_chat_of_the_readme_runs() {
    let server = Server::embedded();
    let script = first_shell_block("## A first chat").replace("127.0.0.1:8001", server.address());
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().expect("a shell");
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stderr}");
    assert!(stdout.contains(r#""text":"Hello, all""#) && stdout.contains(r#""token":""#), "{stdout}{stderr}");
}

#[test]
fn the_readme_starts_with_the_two_commands() {
    let readme = include_str!("../../README.md");
    let mut commands =
        first_shell_block("# LiveChat").lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    assert_eq!(commands.next(), Some("make run"));
    assert_eq!(commands.next(), Some("make test"));
    assert!(readme.lines().take(3).any(|line| line == "```sh"));
    assert!(readme.lines().take(10).any(|line| line.contains("`cargo run --release`")));
}
