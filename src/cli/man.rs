//! `livechat man`: prints the manual page, which is generated from the arguments and the settings.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::config::SECTIONS;

/// Prints the page of `command` in the format of `man`.
pub fn run(command: Command) -> io::Result<ExitCode> {
    let mut page = Vec::new();
    let mut commands = Roff::new();
    add_commands(&mut commands, command.clone());
    let man = Man::new(command).manual("LiveChat");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    page.extend(commands.render().into_bytes());
    page.extend(settings().render().into_bytes());
    // The reader may close the pipe early, which is not an error.
    let _ = io::stdout().write_all(&page);
    Ok(ExitCode::SUCCESS)
}

/// The commands, each with its arguments.
fn add_commands(page: &mut Roff, mut command: Command) {
    command.build();
    page.control("SH", ["COMMANDS"]);
    for subcommand in command.get_subcommands_mut().filter(|subcommand| !subcommand.is_hide_set()) {
        let usage = subcommand.render_usage().to_string();
        page.control("TP", []).text([bold(usage.trim_start_matches("Usage: "))]);
        add_paragraphs(page, &subcommand.get_long_about().or(subcommand.get_about()).cloned().unwrap_or_default());
        page.control("RS", []);
        for argument in subcommand.get_arguments().filter(|argument| !argument.is_hide_set()) {
            let Some(help) = argument.get_help().filter(|_| argument.get_id() != "help") else { continue };
            page.control("TP", []).text([bold(name(argument))]).text([roman(help.to_string())]);
        }
        page.control("RE", []);
    }
}

/// The argument as people write it.
fn name(argument: &Arg) -> String {
    match argument.get_long() {
        Some(name) => format!("--{name}"),
        None => argument.get_id().to_string().to_uppercase(),
    }
}

fn add_paragraphs(page: &mut Roff, text: &clap::builder::StyledStr) {
    for (number, paragraph) in text.to_string().split("\n\n").enumerate() {
        if number > 0 {
            page.control("IP", []);
        }
        page.text([roman(paragraph)]);
    }
}

/// The settings with their defaults, and what else is not in the arguments.
fn settings() -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["ENVIRONMENT"]).text([roman(
        "Each setting is a variable of the environment, or a line NAME=value in .env in the working directory.",
    )]);
    for section in SECTIONS {
        page.control("SS", [section.title]);
        for setting in section.settings {
            let default = if setting.default.is_empty() { "empty" } else { setting.default };
            page.control("TP", []).text([bold(setting.name), roman(format!(" (default: {default})"))]);
            page.text([roman(setting.description.replace('`', ""))]);
        }
    }
    page.control("SH", ["FILES"]);
    page.control("TP", []).text([bold("DATA_DIR/livechat.db")]);
    page.text([roman("The database of the embedded store. Copy it with \"livechat backup\", not with cp.")]);
    page.control("SH", ["EXIT STATUS"]);
    page.text([roman("0 on success, 1 if the command failed or found a problem, and 2 for wrong arguments.")]);
    page
}
