//! `livechat config`: prints every setting, where its value comes from, and what is wrong with it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::{ConfigError, Origin, Report};

/// Writes every setting to standard output. Fails when the server cannot start with them.
pub fn run() -> Result<ExitCode, ConfigError> {
    let report = Report::from_environment()?;
    // The reader may close the pipe early, which is not an error.
    let _ = std::io::stdout().write_all(table(&report).as_bytes());
    let has_problem = report.settings.iter().any(|setting| setting.problem.is_some());
    Ok(if has_problem { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// One line per setting, and another below it for a problem.
fn table(report: &Report) -> String {
    let width =
        |texts: &mut dyn Iterator<Item = &str>| texts.map(|text| text.chars().count()).max().unwrap_or_default();
    let names = width(&mut report.settings.iter().map(|setting| setting.name));
    let values = width(&mut report.settings.iter().map(|setting| display(&setting.value)));
    let mut table = String::new();
    // Writing to a string cannot fail.
    for setting in &report.settings {
        let origin = match setting.origin {
            Origin::Environment => "environment",
            Origin::DotEnv => ".env",
            Origin::Default => "default",
            Origin::FileLimit => "from the file limit",
        };
        let unused = if setting.is_unused { ", not in use" } else { "" };
        let _ = writeln!(table, "{:names$}  {:values$}  {origin}{unused}", setting.name, display(&setting.value));
        if let Some(problem) = &setting.problem {
            let _ = writeln!(table, "{:names$}  ^ {problem}", "");
        }
    }
    for name in &report.unknown {
        let _ = writeln!(table, "{name} is set in .env but is not a setting of livechat");
    }
    for name in &report.removed {
        let _ = writeln!(table, "{name} is set but was removed; it has no effect");
    }
    table
}

fn display(value: &str) -> &str {
    if value.is_empty() { "-" } else { value }
}
