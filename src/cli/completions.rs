//! `livechat completions`: prints a completion script for a shell.

use std::process::ExitCode;

use clap::Command;
use clap_complete::{Shell, generate};

/// Writes the completion script of `command` for `shell` to standard output.
pub fn run(shell: Shell, mut command: Command) -> ExitCode {
    let name = command.get_name().to_owned();
    generate(shell, &mut command, name, &mut std::io::stdout());
    ExitCode::SUCCESS
}
